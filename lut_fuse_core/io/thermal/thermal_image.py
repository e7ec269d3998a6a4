"""What a thermal camera's file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, FloatArray, UInt8Array
from lut_fuse_core.errors import InputError

MAX_THERMAL_PIXELS = 1 << 24
"""Most pixels of a thermal image that are believed (17 million; the largest sensor has 3)."""

_ABSOLUTE_ZERO = -273.0


@dataclass(frozen=True)
class Placement:
    """Where the infrared image lies in the photo of the same file.

    Attributes:
        scale: Photo pixels per infrared pixel.
        right: Photo pixels by which the center of the infrared image is right of the photo's.
        down: The same downward.
    """

    scale: float
    right: float
    down: float


@dataclass(frozen=True)
class ThermalImage:
    """What one file of a thermal camera holds.

    Attributes:
        infrared: ``(h, w)``: temperatures in degrees Celsius or kelvin, float32, NaN where there is
            none; or counts, uint16; of an .npy file whatever numbers it holds.
        visible: ``(H, W, 3) uint8``, RGB: the photo in the same file; None if there is none.
        placement: Where the infrared image lies in the photo; None if the file does not say.
    """

    infrared: AnyInfrared
    visible: UInt8Array | None = None
    placement: Placement | None = None


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn whatever a reader raises in the block into one sentence.

    Args:
        what: Maker of the camera.

    Raises:
        InputError: For every error but a missing package.
        ModuleNotFoundError: If the reader is not installed.
    """
    try:
        yield
    except (InputError, ModuleNotFoundError):
        raise
    # The cameras' readers promise no particular errors.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"it is damaged, or of a kind not known of {what} ({reason})") from None


def known_temperatures(celsius: FloatArray) -> FloatArray:
    """Temperatures with NaN where a camera stored absolute zero for "no data".

    Args:
        celsius: ``(h, w) float32``, degrees Celsius.

    Returns:
        ``(h, w) float32``.
    """
    return np.where(celsius > _ABSOLUTE_ZERO, celsius, np.nan).astype(np.float32)


def check_thermal_size(width: int, height: int) -> None:
    """Refuse a size that no thermal camera has.

    Args:
        width: In pixels.
        height: In pixels.

    Raises:
        InputError: For a side below 2, or more than `MAX_THERMAL_PIXELS` in all.
    """
    if width < 2 or height < 2 or width * height > MAX_THERMAL_PIXELS:
        raise InputError(f"it is damaged: it says its thermal image is {width}x{height}")
