"""Boards with coded markers: what OpenCV's aruco module is called by its different versions.

The module is part of OpenCV from 4.7 on and of opencv-contrib before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, UInt8Array
from lut_fuse_core.errors import InputError

BORDERS = (2, 1)
"""Widths of a marker's black border, in its bits: Kalibr's grids have two, all others one."""


def marker_dictionary(name: str) -> Any:
    """A dictionary of markers by its OpenCV name, such as ``DICT_APRILTAG_36h11``.

    Raises:
        InputError: If this OpenCV has no such dictionary, or no markers at all.
    """
    aruco = getattr(cv2, "aruco", None)
    if aruco is None or not hasattr(aruco, "getPredefinedDictionary"):
        raise InputError(
            f"boards with markers need OpenCV 4.7 or newer, this is {cv2.__version__} without "
            "them; 'pip install opencv-contrib-python' adds them, a chessboard needs none"
        )
    number = getattr(aruco, name, None)
    if not isinstance(number, int):
        raise InputError(f"OpenCV has no marker dictionary '{name}'")
    return aruco.getPredefinedDictionary(number)


def find_markers(
    image: UInt8Array, dictionary: Any, known: int
) -> tuple[npt.NDArray[np.int64], Float64Array]:
    """All markers in an image, each once.

    Args:
        image: ``(H, W) uint8``, markers black on white.
        dictionary: From `marker_dictionary`.
        known: Numbers from here on are of no marker of the board.

    Returns:
        Their numbers, ``(N,) int64``, ascending, and their corners, ``(N, 4, 2) float64`` pixels,
        those of a marker in the order in which OpenCV has them.
    """
    best: dict[int, Float64Array] = {}
    for border in BORDERS:
        found: dict[int, Float64Array] = {}
        corners, numbers = _detected(image, dictionary, border)
        for number, places in zip(numbers, corners, strict=True):
            if number < known:
                found[number] = np.asarray(places, np.float64).reshape(4, 2)
        if len(found) > len(best):
            best = found
        if len(best) == known:
            break
    ids = np.array(sorted(best), np.int64)
    return ids, np.array([best[int(i)] for i in ids], np.float64).reshape(-1, 4, 2)


def _detected(image: UInt8Array, dictionary: Any, border: int) -> tuple[Sequence[Any], list[int]]:
    aruco = cv2.aruco
    settings: Any = (
        aruco.DetectorParameters()
        if hasattr(aruco, "ArucoDetector")
        else aruco.DetectorParameters_create()  # type: ignore[attr-defined]
    )
    settings.markerBorderBits = border
    # Tags of a Kalibr grid are joined at their corners; a small window tells them apart.
    settings.adaptiveThreshWinSizeMin, settings.adaptiveThreshWinSizeMax = 5, 45
    settings.adaptiveThreshWinSizeStep = 8
    settings.minMarkerPerimeterRate = 0.02
    if hasattr(aruco, "ArucoDetector"):
        corners, numbers, _ = aruco.ArucoDetector(dictionary, settings).detectMarkers(image)
    else:
        corners, numbers, _ = aruco.detectMarkers(image, dictionary, parameters=settings)  # type: ignore[attr-defined]
    return corners, [] if numbers is None else [int(each) for each in np.ravel(numbers)]
