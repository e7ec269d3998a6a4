"""What a thermal camera's file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError

MAX_THERMAL_PIXELS = 1 << 24
"""Most pixels of a thermal image that are believed (16 megapixels; the largest sensor has 3)."""


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
    """An image of a thermal camera.

    Attributes:
        infrared: ``(h, w)``: temperatures in degrees Celsius or kelvin, float32, NaN where there is
            none, or counts of 16 bits.
        visible: ``(H, W, 3) uint8``, RGB: the photo in the same file; None if there is none.
        placement: Where the infrared image lies in it; None if the file does not say.
    """

    infrared: AnyInfrared
    visible: UInt8Array | None = None
    placement: Placement | None = None


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Say in a sentence that a file is damaged, whatever its reader raises for it."""
    try:
        yield
    except (InputError, ModuleNotFoundError):
        raise
    # The cameras' readers promise no particular errors.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"it is damaged, or of a kind not known of {what} ({reason})") from None


def check_thermal_size(width: int, height: int) -> None:
    """Raise InputError for a size that no thermal camera has."""
    if width < 2 or height < 2 or width * height > MAX_THERMAL_PIXELS:
        raise InputError(f"it is damaged: it says its thermal image is {width}x{height}")
