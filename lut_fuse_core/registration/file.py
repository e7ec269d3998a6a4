"""Registration on disk: homographies and calibrated rigs as JSON, YAML or plain 3x3 numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.camera_layouts import camera_from, matrix_of
from lut_fuse_core.registration.document import read_document
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.pose_layouts import pose_from, rig_from
from lut_fuse_core.registration.rig import CameraRig, Pose

SUFFIXES = (".json", ".yaml", ".yml")
"""Of the files that `save_registration` writes."""

MATRIX_CONVENTION = "a 3x3 matrix, taken for one from infrared pixels to visible pixels"

_HOMOGRAPHIES = ("homography", "homography_matrix", "Homography", "H")


def check_registration_name(path: str | Path) -> None:
    """Raise InputError unless a registration can be written to a file of this name."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} must end in .json or .yaml")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write to")


@dataclass(frozen=True)
class LoadedRegistration:
    """What a calibration file holds.

    Attributes:
        transform: Infrared pixels to visible pixels, or two cameras and their pose.
        convention: In words, the layout and which camera to which; empty for our own files.
    """

    transform: Homography | CameraRig
    convention: str = ""


def load_registration(path: str | Path) -> Homography | CameraRig:
    """What `read_registration` finds, without the convention.

    Raises:
        InputError: If the file is missing or holds nothing of the kind.
    """
    return read_registration(path).transform


def read_registration(path: str | Path) -> LoadedRegistration:
    """Read a registration file.

    Args:
        path: Of what `save_registration` wrote; a 3x3 matrix that takes infrared pixels to visible
            ones (``.npy``, or numbers in a ``.txt``, ``.csv``, JSON, YAML or XML file); Kalibr's
            camchain; or OpenCV's stereo calibration.

    Returns:
        The registration, and the convention it was in.

    Raises:
        InputError: If it holds none.
    """
    path = Path(path)
    if path.suffix in (".npy", ".txt", ".csv"):
        return LoadedRegistration(Homography.from_array(_read_matrix(path)), MATRIX_CONVENTION)
    data = read_document(path)
    try:
        return _registration_from(data)
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: {error}") from None
    except KeyError as error:
        raise InputError(f"{path}: an image size must be [width, height] ({error})") from None


def _registration_from(data: Any) -> LoadedRegistration:
    if isinstance(data, list):
        return LoadedRegistration(Homography.from_array(matrix_of(data, 3)), MATRIX_CONVENTION)
    name = next((name for name in _HOMOGRAPHIES if name in data), None)
    if name is not None:
        sizes = [
            (int(data[size][0]), int(data[size][1])) if data.get(size) else None
            for size in ("infrared_size", "visible_size")
        ]
        transform = Homography.from_array(matrix_of(data[name], 3), *sizes)
        is_own = isinstance(data[name], list) and name == "homography"
        return LoadedRegistration(transform, "" if is_own else MATRIX_CONVENTION)
    if "infrared_from_visible" in data:
        return LoadedRegistration(CameraRig.from_dict(data))
    found = rig_from(data)
    if found is not None:
        return LoadedRegistration(*found)
    raise InputError(
        "it holds neither a 'homography' nor a camera rig ('visible', 'infrared', "
        "'infrared_from_visible'), nor Kalibr's camchain or OpenCV's stereo calibration; 'lut-fuse "
        "calibrate' writes one"
    )


def save_registration(
    path: str | Path, transform: Homography | CameraRig, facts: Mapping[str, Any] | None = None
) -> None:
    """Write a homography or a rig as JSON or YAML (by suffix).

    Args:
        path: Of the file; its suffix decides the format.
        transform: What to write.
        facts: More entries for the reader (errors in pixels, quality); `load_registration` skips
            them.

    Raises:
        InputError: For a name that `check_registration_name` refuses.
        OSError: If it cannot be written.
    """
    check_registration_name(path)
    path = Path(path)
    content = {**transform.to_dict(), **(facts or {})}
    with atomic_write(path) as temporary:
        if path.suffix != ".json":
            temporary.write_text(_as_yaml(content), encoding="utf-8")
        else:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_camera_info(path: str | Path) -> CameraModel:
    """What `read_camera_info` finds, without the layout.

    Raises:
        InputError: If the file is missing or holds nothing of the kind.
    """
    return read_camera_info(path)[0]


def read_camera_info(path: str | Path) -> tuple[CameraModel, str]:
    """Read the intrinsics of one camera.

    Args:
        path: Of a file of ROS `camera_calibration`, OpenCV, Kalibr or camodocal, or the output of
            `ros2 topic echo` or `ros2 param dump`.

    Returns:
        The camera, and a name of the layout.

    Raises:
        InputError: If it describes none.
    """
    data = read_document(Path(path))
    if not isinstance(data, Mapping):
        raise InputError(f"{path} is not a camera_info file")
    cameras = [value for name, value in data.items() if name in ("cam0", "camera")]
    try:
        return camera_from(cameras[0] if len(cameras) == 1 and len(data) == 1 else data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save_camera_info(path: str | Path, camera: CameraModel, name: str) -> None:
    """Write a camera_info file that `camera_info_manager` and `load_camera_info` read.

    Args:
        path: Of the file; YAML, whatever its suffix.
        camera: What to write.
        name: Of the camera.

    Raises:
        OSError: If it cannot be written.
    """
    with atomic_write(path) as temporary:
        text = _as_yaml(camera.to_dict(name), default_flow_style=None)
        temporary.write_text(text, encoding="utf-8")


def _as_yaml(content: dict[str, Any], **style: Any) -> str:
    import yaml  # to write only, and slow to load

    return str(yaml.safe_dump(content, sort_keys=False, **style))


def load_rig(
    visible: str | Path, infrared: str | Path, extrinsics: str | Path | None = None
) -> CameraRig:
    """What `read_rig` finds, without the conventions.

    Raises:
        InputError: If the file is missing or holds nothing of the kind.
    """
    return read_rig(visible, infrared, extrinsics)[0]


def read_rig(
    visible: str | Path, infrared: str | Path, extrinsics: str | Path | None = None
) -> tuple[CameraRig, tuple[str, ...]]:
    """A rig from the files of both cameras and the pose between them.

    Args:
        visible: Of the visible camera, see `read_camera_info`.
        infrared: The same of the infrared camera.
        extrinsics: JSON, YAML or XML with ``translation`` (meters) and ``rotation`` (3x3) or
            ``quaternion`` (x, y, z, w), visible camera frame to infrared camera frame; OpenCV's
            ``R`` and ``T``; or a message of TF. None for two cameras in one place.

    Returns:
        The rig, and for each foreign file a sentence on its layout and convention.

    Raises:
        InputError: If one of the files is unusable.
    """
    said, cameras = [], []
    for path in (visible, infrared):
        camera, layout = read_camera_info(path)
        cameras.append(camera)
        if layout != "ROS camera_info":
            said.append(f"{path}: {layout}, {camera.width}x{camera.height}")
    pose = Pose()
    if extrinsics is not None:
        data = read_document(Path(extrinsics))
        try:
            pose, convention = pose_from(data if isinstance(data, Mapping) else {})
        except InputError as error:
            raise InputError(f"{extrinsics}: {error}") from None
        if convention:
            said.append(f"{extrinsics}: {convention}")
    return CameraRig(cameras[0], cameras[1], pose), tuple(said)


def _read_matrix(path: Path) -> Any:
    from zipfile import BadZipFile

    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), np.float64).reshape(3, 3)
        text = re.sub("#.*", "", path.read_text(encoding="utf-8-sig"))  # np.savetxt's header
        words = re.split(r"[\s,;\[\]()]+", text)
        return np.array([float(word) for word in words if word], np.float64).reshape(3, 3)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, BadZipFile):
        raise InputError(f"{path} does not hold a 3x3 matrix of numbers") from None
