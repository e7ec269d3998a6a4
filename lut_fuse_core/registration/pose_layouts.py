"""The pose between two cameras in the layouts that tools write, each with its convention."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.camera import as_rows
from lut_fuse_core.registration.camera_layouts import camera_from, first, matrix_of
from lut_fuse_core.registration.document import numbers
from lut_fuse_core.registration.rig import LONGEST_BASELINE, CameraRig, Pose

INFRARED_WORDS = ("infrared", "thermal", "lwir", "mwir", "swir", "ir", "flir", "boson", "lepton")
VISIBLE_WORDS = ("visible", "rgb", "color", "colour", "vis", "eo", "bgr")
"""By which a topic or frame says what its camera sees."""

Entries = Mapping[str, Any]
Role = Literal["visible", "infrared", ""]

_STEREO = (
    ("K1", "D1", "K2", "D2"),
    ("M1", "D1", "M2", "D2"),
    ("cameraMatrix1", "distCoeffs1", "cameraMatrix2", "distCoeffs2"),
    ("camera_matrix_1", "dist_coeffs_1", "camera_matrix_2", "dist_coeffs_2"),
)
"""Both cameras of OpenCV's stereo calibration."""


def pose_from(data: Entries) -> tuple[Pose, str]:
    """The pose of the visible camera's frame in the infrared camera's, and how the file has it.

    Args:
        data: What a file holds.

    Returns:
        The pose, and the convention in words.

    Raises:
        InputError: If it holds none, or does not say which camera is which.
    """
    try:
        data = data.get("infrared_from_visible", data)
        if "transforms" in data or "child_frame_id" in data:
            return _transform(data)
        if "R" in data and first(data, ("T", "t")) is not None:
            pose = _pose(matrix_of(data["R"], 3), numbers(first(data, ("T", "t"))))
            return pose, "OpenCV: R and T take points from the first camera (visible) to the second"
        if "rvec" in data and "tvec" in data:
            rotation = np.asarray(cv2.Rodrigues(numbers(data["rvec"]))[0], np.float64)
            return _pose(rotation, numbers(data["tvec"])), (
                "OpenCV: rvec and tvec take points from the visible camera to the infrared one"
            )
        if "T_cn_cnm1" in data:
            return _from_matrix(data["T_cn_cnm1"]), (
                "Kalibr: T_cn_cnm1 takes points from the previous camera (visible) to this one"
            )
        return _own(data)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, cv2.error) as error:
        raise InputError(
            "it needs 'translation' in meters and 'rotation' (3x3) or 'quaternion' (x, y, z, w); "
            f"{error}"
        ) from None


def rig_from(data: Entries) -> tuple[CameraRig, str] | None:
    """Two cameras and their pose in one file of Kalibr or OpenCV.

    Args:
        data: What a file holds.

    Returns:
        The rig and the convention in words; None for another layout.

    Raises:
        InputError: If it is such a layout, but not whole, or with more than two cameras.
    """
    if isinstance(data.get("cam0"), Mapping):
        return _camchain(data)
    for names in _STEREO:
        if all(name in data for name in names) and "R" in data:
            cameras = [_stereo_camera(data, names, number) for number in (0, 1)]
            rig = CameraRig(cameras[0], cameras[1], pose_from(data)[0])
            return rig, (
                "OpenCV stereo calibration: the first camera is taken for the visible one, R and T "
                "take points from it to the second (infrared)"
            )
    return None


def role_of(name: str) -> Role:
    """What a camera sees, by the words in the name of its topic or frame; empty if unknown."""
    words = set(re.findall(r"[a-z]+", name.lower()))
    infrared, visible = words & set(INFRARED_WORDS), words & set(VISIBLE_WORDS)
    if infrared and not visible:
        return "infrared"
    return "visible" if visible and not infrared else ""


def _own(data: Entries) -> tuple[Pose, str]:
    translation = numbers(data["translation"])
    quaternion = data.get("quaternion")
    if quaternion is None and numbers(data["rotation"]).size == 4:
        quaternion = data["rotation"]
    if quaternion is not None:
        return Pose.from_quaternion(list(numbers(quaternion)), list(translation)), ""
    return _pose(matrix_of(data["rotation"], 3), translation), ""


def _transform(data: Entries) -> tuple[Pose, str]:
    """A message of TF, which takes points from the child's frame to the parent's."""
    messages = data.get("transforms", [data])
    between = []
    for message in messages:
        parent, child = str(message["header"]["frame_id"]), str(message["child_frame_id"])
        if {role_of(parent), role_of(child)} == {"visible", "infrared"}:
            between.append((parent, child, message["transform"]))
    if len(between) != 1:
        raise InputError(
            f"{len(between)} of its transforms are between a frame named like a visible camera and "
            "one named like an infrared camera; keep one, with 'rgb' or 'visible' and 'thermal' or "
            "'infrared' in the frames' names"
        )
    parent, child, transform = between[0]
    translation, rotation = numbers(transform["translation"]), numbers(transform["rotation"])
    pose = Pose.from_quaternion(list(rotation), list(translation))
    said = f"TF: takes points from {child} to {parent}"
    if role_of(parent) == "visible":
        return pose.inverse(), f"{said}; inverted, since {child} is the infrared camera"
    return pose, said


def _camchain(data: Entries) -> tuple[CameraRig, str]:
    names = [name for name in ("cam0", "cam1", "cam2") if isinstance(data.get(name), Mapping)]
    if names != ["cam0", "cam1"]:
        raise InputError(f"the camchain holds {', '.join(names)}; give one of cam0 and cam1")
    cameras = [camera_from(data[name])[0] for name in names]
    topics = [str(data[name].get("rostopic", name)) for name in names]
    if "T_cn_cnm1" not in data["cam1"]:
        raise InputError("the camchain lacks 'T_cn_cnm1' of cam1, the pose between the cameras")
    pose = _from_matrix(data["cam1"]["T_cn_cnm1"])
    roles = [role_of(topic) for topic in topics]
    if roles[0] and roles[0] == roles[1]:
        raise InputError(
            f"the topics of both cameras of the camchain ({', '.join(topics)}) are named like "
            f"{roles[0]} cameras; rename one with 'rgb' or 'visible', or 'thermal' or 'infrared'"
        )
    said = f"Kalibr camchain: T_cn_cnm1 takes points from cam0 ({topics[0]}) to cam1 ({topics[1]})"
    if roles[0] == "infrared" or roles[1] == "visible":
        return CameraRig(cameras[1], cameras[0], pose.inverse()), (
            f"{said}; inverted, since cam0 is the infrared camera"
        )
    known = "infrared" in roles or "visible" in roles
    return CameraRig(cameras[0], cameras[1], pose), (
        said if known else f"{said}; cam0 is taken for the visible camera"
    )


def _stereo_camera(data: Entries, names: tuple[str, ...], number: int) -> Any:
    entries = {
        **{name: value for name, value in data.items() if name not in names},
        "camera_matrix": data[names[2 * number]],
        "distortion_coefficients": data[names[2 * number + 1]],
    }
    size = first(data, (f"image_size_{number + 1}", f"imageSize{number + 1}"))
    return camera_from({**entries, "image_size": size} if size is not None else entries)[0]


def _from_matrix(value: Any) -> Pose:
    matrix = matrix_of(value, 4)
    return _pose(matrix[:3, :3], matrix[:3, 3])


def _pose(rotation: Float64Array, translation: Float64Array) -> Pose:
    if np.linalg.norm(translation) > LONGEST_BASELINE:
        raise InputError(
            f"the cameras would be {np.linalg.norm(translation):.4g} m apart; give the translation "
            "in meters"
        )
    tx, ty, tz = (float(value) for value in translation)
    return Pose(as_rows(rotation), (tx, ty, tz))
