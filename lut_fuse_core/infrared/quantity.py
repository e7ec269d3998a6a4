"""What the numbers of a thermal stream mean; temperatures and wide counts as 16-bit counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import AnyInfrared, RawInfrared
from lut_fuse_core.errors import InputError, kind_of

Quantity = Literal["auto", "kelvin", "celsius", "counts"]

ZERO_CELSIUS = 273.15
"""Kelvin."""

FINE, COARSE = 0.01, 0.1
"""Kelvin per count in which temperatures are kept: the first up to 382 degrees C, the second in
hotter streams, up to 6280 degrees C."""

KELVIN_BACKGROUND = 180.0, 400.0
"""Range of the coldest pixels of a scene in kelvin; in degrees Celsius they are below it."""

COLDEST, HOTTEST = -273.0, 1e6
"""Numbers outside of this are no temperatures in any unit; absolute zero in degrees Celsius often
stands for "no data"."""

ROOM = 50_000.0
"""Largest count of the first frame; the room above it is for later frames."""

CELSIUS_RANGE = -100.0, 3000.0
"""Range of a scene in degrees Celsius; other numbers are counts."""

_LARGEST = 65535


@dataclass(frozen=True)
class Scale:
    """How numbers become counts: ``count = gain * number + bias``.

    Attributes:
        gain: Counts per unit of the numbers.
        bias: Count of the number 0.
        celsius: Degrees Celsius of the number 0 where the numbers are temperatures in kelvin or
            Celsius, None where they are counts.
    """

    gain: float = 1.0
    bias: float = 0.0
    celsius: float | None = None

    def holds(self, low: float, high: float) -> bool:
        """Whether a range of numbers becomes counts from 1 to 65535.

        Args:
            low: Least number.
            high: Largest number.
        """
        return self.gain * low + self.bias >= 0.5 and self.gain * high + self.bias <= _LARGEST


class CountConverter:
    """Converts the frames of one stream to counts; 0 stands for a pixel of which nothing is known.

    What the numbers are is decided by the first frame that shows anything, and kept, so that the
    frames of a stream are comparable; only a step that turns out too fine becomes a coarser one.

    Args:
        quantity: What the numbers of the stream are; ``auto`` decides by their range.
    """

    def __init__(self, quantity: Quantity = "auto") -> None:
        self._quantity = quantity
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._dtype: np.dtype[Any] | None = None
        self._scale: Scale | None = None

    @property
    def scale(self) -> Scale:
        """How the numbers of the latest frame became counts."""
        return self._scale or Scale()

    def __call__(self, raw: AnyInfrared) -> RawInfrared:
        """Convert the next frame.

        Args:
            raw: ``(H, W)``: uint8 or uint16, which are counts; floating point, which are kelvin,
                degrees Celsius or counts, NaN where nothing is known; other integers, which are
                counts or temperatures in 1/1000 K.

        Returns:
            ``(H, W)`` uint8 for uint8, otherwise uint16; ``raw`` itself where nothing changes.

        Raises:
            InputError: For anything but a two-dimensional array of numbers that is not empty.
        """
        if not isinstance(raw, np.ndarray) or raw.ndim != 2 or not raw.size:
            raise InputError(f"infrared must be (H, W) numbers, not {kind_of(raw)}")
        if raw.dtype.kind == "u" and raw.dtype.itemsize <= 2:
            self.reset()
            wide = raw.dtype.itemsize == 2
            return raw.astype(np.uint16, copy=False) if wide else raw.astype(np.uint8, copy=False)
        if raw.dtype.kind not in "fiu":
            raise InputError(f"infrared must be (H, W) numbers, not {kind_of(raw)}")
        with np.errstate(invalid="ignore"):  # NaN of another kind than the processor's own
            values = raw.astype(np.float64 if raw.dtype.itemsize > 2 else np.float32)
        known = np.isfinite(values)
        if raw.dtype.kind == "f":
            known &= ~_empty_border(values, known)
        known &= ~_filled(values, known, raw.dtype)
        sample = values[known]
        if not sample.size:
            return np.zeros(raw.shape, np.uint16)
        # NumPy takes None for float64 where it is compared with a type.
        if self._dtype is None or raw.dtype != self._dtype:
            self._dtype, self._scale = raw.dtype, None
        self._scale = self._fitting(sample)
        counts = self._scale.gain * np.where(known, values, 0.0) + self._scale.bias
        counts = np.clip(np.rint(counts), 1, _LARGEST)
        return np.where(known, counts, 0).astype(np.uint16)

    def _fitting(self, sample: npt.NDArray[Any]) -> Scale:
        low, high = float(sample.min()), float(sample.max())
        if self._scale is not None and (
            self._scale.holds(low, high) or self._scale.gain == 1 / COARSE
        ):
            return self._scale
        quantity = self._quantity if self._quantity != "auto" else _guess(sample)
        if quantity == "kelvin":
            step = FINE if high < FINE * _LARGEST else COARSE
            return Scale(1 / step, 0.0, -ZERO_CELSIUS)
        if quantity == "celsius":
            step = FINE if high + ZERO_CELSIUS < FINE * _LARGEST else COARSE
            return Scale(1 / step, ZERO_CELSIUS / step, 0.0)
        return self._scale_of_counts(sample, low, high)

    def _scale_of_counts(self, sample: npt.NDArray[Any], low: float, high: float) -> Scale:
        assert self._dtype is not None
        if self._dtype.kind == "f" and low >= 0 and high <= 1:
            return Scale(_LARGEST - 1, 1.0)  # intensities
        if self._dtype == np.int16 or (low < 0 and max(-low, high) < 32768):
            return Scale(1.0, 32768.0)
        if low < 0:
            return Scale(32767 / max(-low, high), 32768.0)
        if high <= _LARGEST:
            # Of fractions one digit or two are kept where there is room for them.
            fine = self._dtype.kind == "f" and not _are_whole(sample)
            return Scale(max([1.0, *(n for n in (10.0, 100.0) if fine and n * high < ROOM)]))
        background = float(np.percentile(sample, 5)) / 1000
        if KELVIN_BACKGROUND[0] <= background <= KELVIN_BACKGROUND[1]:
            return Scale(1 / 1000 / (FINE if high < 1000 * FINE * _LARGEST else COARSE))
        bits = int(high).bit_length()
        return Scale(1 / 2 ** (bits - 16))


def _guess(sample: npt.NDArray[Any]) -> Quantity:
    """What numbers are, by their range; whole ones can only be assumed to be counts."""
    if _are_whole(sample):
        return "counts"
    background, warmest = (float(value) for value in np.percentile(sample, (5, 100)))
    if sample.min() >= 0 and warmest <= 1:
        return "counts"
    if KELVIN_BACKGROUND[0] <= background <= KELVIN_BACKGROUND[1] and warmest < 6000:
        return "kelvin"
    if CELSIUS_RANGE[0] <= background < KELVIN_BACKGROUND[0] and warmest <= CELSIUS_RANGE[1]:
        return "celsius"
    return "counts"


def _are_whole(sample: npt.NDArray[Any]) -> bool:
    some = sample[:: max(1, sample.size // 4096)]
    return np.array_equal(some, np.rint(some))


def _filled(
    values: npt.NDArray[Any], known: npt.NDArray[np.bool_], dtype: np.dtype[Any]
) -> npt.NDArray[np.bool_]:
    """Where numbers stand for "no data", ``(H, W)``: the least or the largest one, if it is no
    temperature (0 K, -9999, 1e20) or an end of its integer type, and the scene is far from it."""
    none = np.zeros_like(known)
    seen = values[known]
    if not seen.size:
        return none
    for value in (seen.min(), seen.max()):
        if dtype.kind == "f":
            is_number = COLDEST < value < HOTTEST or value == 0
        else:
            is_number = value not in (np.iinfo(dtype).min, np.iinfo(dtype).max) or value == 0
        rest = seen[seen != value]
        if is_number or not rest.size:
            continue
        low, high = np.percentile(rest[:: max(1, rest.size // 4096)], (1, 99))
        if max(low - value, value - high) > high - low:
            none |= values == value
    return none


def _empty_border(values: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where floats are exactly 0 while nothing else is near 0, ``(H, W)``: outside a view."""
    zero = values == 0
    count = np.count_nonzero(zero)
    if not count:
        return zero
    near = np.count_nonzero(known & ~zero & (np.abs(values) < 1))
    return zero if near < 0.1 * count else np.zeros_like(zero)
