"""Intrinsics of one camera in the layouts that calibration tools write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel, what_is_wrong
from lut_fuse_core.registration.document import numbers

MATRIX = (
    *("camera_matrix", "cameraMatrix", "Camera_Matrix", "K", "k", "M", "mtx"),
    *("intrinsic_matrix", "intrinsics", "Intrinsics"),
)
DISTORTION = (
    *("distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "dist_coeffs"),
    *("distortion_coeffs", "D", "d", "dist", "coeffs", "distortion"),
    *("dist_coeff", "distCoeff", "distcoeffs", "distortion_coefficient", "distortionCoefficients"),
)
WIDTH = ("image_width", "image_Width", "imageWidth", "width", "w")
HEIGHT = ("image_height", "image_Height", "imageHeight", "height", "h")
SIZE = ("image_size", "imageSize", "resolution", "size")
MODEL = ("distortion_model", "model")

_ROS_NAMES = {
    **{"radtan": "plumb_bob", "brown_conrady": "plumb_bob", "plumb_bob": "plumb_bob"},
    **{"rational_polynomial": "rational_polynomial", "equidistant": "equidistant"},
    **{"fisheye": "equidistant", "kannala_brandt4": "equidistant", "none": "none", "": "plumb_bob"},
}
"""Of distortion models, by the names of Kalibr, RealSense and ROS."""

_PROJECTIONS = ("pinhole", "PINHOLE", "KANNALA_BRANDT")

Entries = Mapping[str, Any]


def camera_from(data: Entries) -> tuple[CameraModel, str]:
    """A camera and the layout that it was in.

    Args:
        data: What a file holds of one camera.

    Returns:
        The camera, and a name of the layout.

    Raises:
        InputError: If it describes none, or has a projection that is not supported.
    """
    if not isinstance(data, Mapping):
        raise InputError("this is not a camera_info description")
    data = _by_usual_names(data)
    try:
        if "projection_parameters" in data:
            return _camodocal(data)
        if "distortion_coeffs" in data and "intrinsics" in data:
            return _kalibr(data)
        if "fx" in data and "fy" in data:
            return _flat(data)
        return _matrix(data)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        raise InputError(
            f"this is not a camera_info description ({what_is_wrong(error)}); the layouts of ROS, "
            "OpenCV, Kalibr and camodocal can be read"
        ) from None


def _by_usual_names(data: Entries) -> Entries:
    """Flat intrinsics, which ORB-SLAM prefixes, Nerfstudio calls otherwise, and others nest."""
    below = data.get("intrinsics")
    if isinstance(below, Mapping):
        data = {**data, **below}
    names = {"fl_x": "fx", "fl_y": "fy"}
    return {
        names.get(name, re.sub(r"^Camera1?\.", "", str(name))): value
        for name, value in data.items()
    }


def first(data: Entries, names: tuple[str, ...], default: Any = None) -> Any:
    """The first entry there is, of several names."""
    return next((data[name] for name in names if data.get(name) is not None), default)


def _matrix(data: Entries) -> tuple[CameraModel, str]:
    """ROS's files and messages, and OpenCV's."""
    value = first(data, MATRIX)
    if value is None:
        raise KeyError("camera_matrix")
    matrix: Any = numbers(value)
    if matrix.size == 4:
        matrix = _pinhole(*matrix)
    given = first(data, DISTORTION, ())
    _no_other_distortion(data)
    distortion = numbers(given) if _holds_numbers(given) else ()
    model = str(first(data, MODEL, ""))
    if not model and float(first(data, ("fisheye_model", "fisheye"), 0)):
        model = "fisheye"
    width, height = _size(data)
    is_message = "k" in data and "d" in data
    named = "ROS camera_info" if is_message or "distortion_model" in data else "OpenCV calibration"
    return _camera(width, height, matrix, distortion, model), named


def _no_other_distortion(data: Entries) -> None:
    """Refuse distortion under a name that is not known: it would be taken for none."""
    if first(data, DISTORTION) is not None:
        return
    for name, value in data.items():
        if re.search("dist|coef", name.lower()) and name not in MODEL and _holds_numbers(value):
            raise InputError(
                f"it holds '{name}', which may be the distortion; call that "
                "'distortion_coefficients' (k1, k2, p1, p2, k3)"
            )


def _kalibr(data: Entries) -> tuple[CameraModel, str]:
    projection = str(data.get("camera_model", "pinhole"))
    if projection not in _PROJECTIONS:
        raise InputError(
            f"Kalibr's camera model '{projection}' is not supported; calibrate with "
            "'pinhole-radtan' or 'pinhole-equi'"
        )
    width, height = _size(data)
    matrix = _pinhole(*numbers(data["intrinsics"]))
    model = str(data.get("distortion_model", "radtan"))
    return _camera(width, height, matrix, numbers(data["distortion_coeffs"]), model), "Kalibr"


def _camodocal(data: Entries) -> tuple[CameraModel, str]:
    kind = str(data.get("model_type", "PINHOLE"))
    width, height = _size(data)
    projection, distortion = data["projection_parameters"], data.get("distortion_parameters", {})
    if kind == "PINHOLE":
        matrix = _pinhole(*(float(projection[name]) for name in ("fx", "fy", "cx", "cy")))
        coefficients = [float(distortion[name]) for name in ("k1", "k2", "p1", "p2")]
        return _camera(width, height, matrix, coefficients, "plumb_bob"), "camodocal"
    if kind == "KANNALA_BRANDT":
        matrix = _pinhole(*(float(projection[name]) for name in ("mu", "mv", "u0", "v0")))
        coefficients = [float(projection[name]) for name in ("k2", "k3", "k4", "k5")]
        return _camera(width, height, matrix, coefficients, "equidistant"), "camodocal"
    raise InputError(
        f"camodocal's camera model '{kind}' is not supported; calibrate with PINHOLE or "
        "KANNALA_BRANDT"
    )


def _flat(data: Entries) -> tuple[CameraModel, str]:
    center = first(data, ("cx", "ppx")), first(data, ("cy", "ppy"))
    matrix = _pinhole(float(data["fx"]), float(data["fy"]), float(center[0]), float(center[1]))
    given = first(data, DISTORTION)
    distortion: Any = ()
    if given is not None:
        distortion = numbers(given)
    elif "k1" in data:
        fisheye = "k4" in data and "p1" not in data
        names = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3")
        distortion = numbers([data.get(name, 0.0) for name in names])
    else:
        _no_other_distortion(data)
    model = str(first(data, MODEL, ""))
    if not model and "k4" in data and "p1" not in data:
        model = "fisheye"
    return _camera(*_size(data), matrix, distortion, model), "flat intrinsics"


def _camera(width: int, height: int, matrix: Any, distortion: Any, model: str) -> CameraModel:
    coefficients = [float(value) for value in distortion]
    known = _ROS_NAMES.get(model.lower().removeprefix("distortion."), model)
    if known == "plumb_bob" and len(coefficients) > 5:
        known = "rational_polynomial"
    if known == "none":
        coefficients = []
    return CameraModel.from_camera_info(width, height, list(matrix), coefficients, known)


def _pinhole(fx: float, fy: float, cx: float, cy: float) -> list[float]:
    return [fx, 0, cx, 0, fy, cy, 0, 0, 1]


def _size(data: Entries) -> tuple[int, int]:
    size = first(data, SIZE)
    if isinstance(size, Mapping):
        return _size(size)
    if size is not None:
        width, height = numbers(size)[:2]
        return int(width), int(height)
    width, height = first(data, WIDTH), first(data, HEIGHT)
    if width is None or height is None:
        raise InputError(
            "the size of the camera's images is missing; add 'image_width' and 'image_height'"
        )
    return int(width), int(height)


def _holds_numbers(value: Any) -> bool:
    value = value.get("data", ()) if isinstance(value, Mapping) else value
    return bool(len(value)) if isinstance(value, list | tuple) else isinstance(value, float | int)


def matrix_of(value: Any, side: int) -> Float64Array:
    """A square matrix in any of the forms that `numbers` reads.

    Returns:
        ``(side, side) float64``.

    Raises:
        ValueError, TypeError: If they are no matrix.
    """
    matrix = numbers(value)
    if matrix.size != side * side:
        raise ValueError(f"a {side}x{side} matrix has {side * side} numbers, not {matrix.size}")
    return matrix.reshape(side, side)
