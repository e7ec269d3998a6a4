"""Registration on disk: homographies and calibrated rigs as JSON, YAML or plain 3x3 numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import yaml

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig, Pose

SUFFIXES = (".json", ".yaml", ".yml")
"""Of the files that `save_registration` writes."""


def check_registration_name(path: str | Path) -> None:
    """Raise InputError unless a registration can be written to a file of this name."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} must end in .json or .yaml")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write to")


def load_registration(path: str | Path) -> Homography | CameraRig:
    """Read what `save_registration` wrote, or a bare 3x3 matrix (``.json``, ``.txt``, ``.npy``).

    A homography maps infrared pixels to visible pixels. Raises InputError.
    """
    path = Path(path)
    if path.suffix in (".npy", ".txt"):
        return Homography.from_array(_read_matrix(path))
    data = _read_mapping(path)
    try:
        if isinstance(data, list):
            return Homography.from_array(np.asarray(data, np.float64))
        if "homography" in data:
            sizes = [
                (int(data[name][0]), int(data[name][1])) if data.get(name) else None
                for name in ("infrared_size", "visible_size")
            ]
            return Homography.from_array(np.asarray(data["homography"], np.float64), *sizes)
        if "infrared_from_visible" in data:
            return CameraRig.from_dict(data)
    except (InputError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{path}: {error}") from None
    except KeyError as error:
        raise InputError(f"{path}: an image size must be [width, height] ({error})") from None
    raise InputError(
        f"{path} holds neither a 'homography' nor a camera rig ('visible', 'infrared', "
        "'infrared_from_visible'); 'lut-fuse calibrate' writes either"
    )


def save_registration(
    path: str | Path, transform: Homography | CameraRig, facts: Mapping[str, Any] | None = None
) -> None:
    """Write a homography or a rig as JSON or YAML (by suffix).

    facts: more entries for the reader (errors in pixels, quality); `load_registration` skips them.
    Raises InputError for a name that `check_registration_name` refuses.
    """
    check_registration_name(path)
    path = Path(path)
    content = {**transform.to_dict(), **(facts or {})}
    with atomic_write(path) as temporary:
        if path.suffix != ".json":
            temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        else:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_camera_info(path: str | Path) -> CameraModel:
    """Read a camera_info file in the layout of ROS `camera_calibration`. Raises InputError."""
    data = _read_mapping(Path(path))
    if not isinstance(data, Mapping):
        raise InputError(f"{path} is not a camera_info file")
    try:
        return CameraModel.from_dict(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save_camera_info(path: str | Path, camera: CameraModel, name: str) -> None:
    """Write a camera_info file that `camera_info_manager` and `load_camera_info` read."""
    with atomic_write(path) as temporary:
        text = yaml.safe_dump(camera.to_dict(name), sort_keys=False, default_flow_style=None)
        temporary.write_text(text, encoding="utf-8")


def load_rig(
    visible: str | Path, infrared: str | Path, extrinsics: str | Path | None = None
) -> CameraRig:
    """A rig from two camera_info files and the pose between them.

    extrinsics: JSON or YAML with ``translation`` (meters) and ``rotation`` (3x3) or ``quaternion``
    (x, y, z, w), visible camera frame to infrared camera frame; None for two cameras in one place.
    """
    pose = Pose()
    if extrinsics is not None:
        data = _read_mapping(Path(extrinsics))
        data = data.get("infrared_from_visible", data) if isinstance(data, Mapping) else {}
        try:
            translation = [float(value) for value in data["translation"]]
            if "quaternion" in data:
                pose = Pose.from_quaternion(data["quaternion"], translation)
            else:
                rows = tuple(tuple(float(v) for v in row) for row in data["rotation"])
                pose = Pose(rows, (translation[0], translation[1], translation[2]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{extrinsics} needs 'translation' in meters and 'rotation' (3x3) or 'quaternion' "
                f"(x, y, z, w); {error}"
            ) from None
    return CameraRig(load_camera_info(visible), load_camera_info(infrared), pose)


def _read_mapping(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"cannot read {path}: {reason}") from None
    try:
        # JSON first: YAML 1.1 takes JSON's 1e-05 for a word.
        data = json.loads(text)
    except json.JSONDecodeError:
        data = _parse_yaml(text, path)
    if not isinstance(data, Mapping | list):
        raise InputError(f"{path} holds no registration")
    return data


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        # OpenCV's first line, %YAML:1.0, is not YAML; it carries nothing.
        return yaml.safe_load(text.removeprefix("%YAML:1.0\n"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is neither JSON nor YAML: {str(error).splitlines()[0]}") from None


def _read_matrix(path: Path) -> Any:
    try:
        matrix = np.load(path) if path.suffix == ".npy" else np.loadtxt(path)
        return np.asarray(matrix, np.float64).reshape(3, 3)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, BadZipFile):
        raise InputError(f"{path} does not hold a 3x3 matrix of numbers") from None
