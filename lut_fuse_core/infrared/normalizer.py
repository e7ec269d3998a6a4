"""Normalization: raw infrared counts to 8 bits, stable in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError, kind_of
from lut_fuse_core.infrared.dead_pixels import DeadPixels
from lut_fuse_core.infrared.gray_range import GrayRange, RangeTracker
from lut_fuse_core.infrared.quantity import CountConverter, Scale
from lut_fuse_core.infrared.shutter import ShutterCounts, ShutterGuard
from lut_fuse_core.infrared.tone import apply_table, linear_table, tone_table
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.settings import check_settings, setting

__all__ = ["InfraredNormalizer", "NormalizationConfig", "RawInfrared"]

VISIBLE_CHANGE = 0.25
"""Gray levels by which an end of the range must move for the table to be computed again."""


@dataclass(frozen=True)
class NormalizationConfig:
    """How raw infrared becomes 8 bits.

    The modes ``auto`` (for 16-bit images) and ``percentile`` stretch the stream between two
    percentiles and compress what lies beyond, so that a hot object leaves the rest as bright as it
    was; ``range`` maps ``low`` to 0 and ``high`` to 255 and clips.

    Raises:
        InputError: For values outside their range, or a ``high`` that is not above its ``low``.
    """

    mode: Literal["auto", "percentile", "range"] = setting(
        "auto",
        "Mapping of raw infrared to 8 bits: 'auto' leaves 8-bit images unchanged and stretches "
        "16-bit ones between percentiles, 'percentile' always stretches, 'range' maps low..high "
        "to black..white.",
        live=True,
    )
    low_percentile: float = setting(
        1.0,
        "Percentile that is shown almost black; lower counts are compressed, not clipped.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
        live=True,
    )
    high_percentile: float = setting(
        99.0,
        "Percentile that is shown almost white; higher counts are compressed, not clipped.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
        live=True,
    )
    smoothing: float = setting(
        0.95,
        "Weight of past frames in the running percentiles; 0 follows every frame and flickers.",
        minimum=0.0,
        maximum=0.9999,
        live=True,
    )
    low: float = setting(
        0.0,
        "Value shown black in mode 'range', in counts or degrees Celsius as 'unit' says.",
        minimum=-100_000.0,
        maximum=10_000_000.0,
        live=True,
    )
    high: float = setting(
        65535.0,
        "Value shown white in mode 'range', in counts or degrees Celsius as 'unit' says.",
        minimum=-100_000.0,
        maximum=10_000_000.0,
        live=True,
    )
    unit: Literal["counts", "celsius"] = setting(
        "counts",
        "Unit of the fixed range: raw 'counts', or 'celsius' for linear radiometric cameras.",
        live=True,
    )
    scale: float = setting(
        0.01,
        "Degrees Celsius per count for unit 'celsius'; the default suits FLIR's high-resolution "
        "mode.",
        minimum=1e-6,
        maximum=1000.0,
        live=True,
    )
    offset: float = setting(
        -273.15,
        "Temperature at count 0 for unit 'celsius'.",
        unit="degrees C",
        minimum=-10_000.0,
        maximum=10_000.0,
        live=True,
    )
    quantity: Literal["auto", "kelvin", "celsius", "counts"] = setting(
        "auto",
        "What the numbers of float infrared are (and of integers of more than 16 bits); 'auto' "
        "decides by their range. Temperatures are kept in steps of 0.01 K, above 382 degrees C of "
        "0.1 K.",
        live=True,
    )
    polarity: Literal["white_hot", "black_hot"] = setting(
        "white_hot",
        "Whether the camera shows warm objects bright ('white_hot') or dark ('black_hot', which "
        "is inverted).",
        live=True,
    )
    local_contrast: float = setting(
        0.0,
        "Local contrast enhancement (CLAHE clip limit); 0 is off, 1 to 4 are increasingly strong.",
        minimum=0.0,
        maximum=40.0,
        live=True,
    )
    dead_pixels: bool = setting(
        False, "Detect and repair pixels that always differ from their neighbors.", live=True
    )
    shutter: bool = setting(
        True,
        "Detect flat-field corrections (FFC) of the infrared camera and show its last good frame "
        "meanwhile.",
        live=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.low_percentile < self.high_percentile:
            raise InputError(
                f"the normalization percentiles must increase, not go from {self.low_percentile:g} "
                f"to {self.high_percentile:g}"
            )
        if not self.low < self.high:
            raise InputError(
                f"the normalization range must increase, not go from {self.low:g} to {self.high:g}"
            )

    def fixed_range(self, scale: Scale) -> GrayRange:
        """The range of mode ``range`` in counts.

        Args:
            scale: How the numbers of the stream became counts. With unit ``counts``, ``low`` and
                ``high`` are such numbers; with unit ``celsius`` they are temperatures.
        """
        low, high = self.low, self.high
        if self.unit == "celsius":
            if scale.celsius is not None:
                low, high = low - scale.celsius, high - scale.celsius
            else:
                low, high = ((end - self.offset) / self.scale for end in (low, high))
        return GrayRange(scale.gain * low + scale.bias, scale.gain * high + scale.bias)


class InfraredNormalizer:
    """Turns the raw frames of one camera into 8-bit frames; keeps the running range of the stream.

    Args:
        config: The settings; None for the defaults.
        predecessor: Another normalizer of the same camera; what it learned of shutter and dead
            pixels is taken over. None for none.

    Attributes:
        config: The settings.
    """

    def __init__(
        self,
        config: NormalizationConfig | None = None,
        predecessor: InfraredNormalizer | None = None,
    ) -> None:
        self.config = config or NormalizationConfig()
        self._tracker = RangeTracker(
            self.config.low_percentile, self.config.high_percentile, self.config.smoothing
        )
        self._shutter, self._dead = ShutterGuard(), DeadPixels()
        self._converter = CountConverter(self.config.quantity)
        self._layout: tuple[Any, ...] | None = None
        if predecessor is not None:
            self._shutter, self._dead = predecessor._shutter, predecessor._dead
            self._layout = predecessor._layout
            if not predecessor.config.shutter:
                self._shutter.reset()  # it has not been looking
        limit = self.config.local_contrast
        self._local: Any = cv2.createCLAHE(limit, (8, 8)) if limit else None
        self._table: UInt8Array | None = None
        self._table_range: GrayRange | None = None
        self._time: float | None = None
        self._out: UInt8Array | None = None

    @property
    def shutter_counts(self) -> ShutterCounts:
        """How often each event of flat-field corrections has begun so far."""
        return self._shutter.counts

    @property
    def picture(self) -> RawInfrared:
        """The last frame in which `take` found a new picture, ``(H, W) uint8 or uint16``.

        Only with the setting ``shutter``, and after the first frame.
        """
        return self._shutter.picture

    @property
    def stopped(self) -> bool:
        """Whether the camera has repeated one picture for longer than a shutter stays closed."""
        return self.config.shutter and self._shutter.stopped

    @property
    def dead_pixel_count(self) -> int:
        """Number of dead pixels that are repaired."""
        return self._dead.count

    @property
    def range(self) -> GrayRange | None:
        """The range of the latest frame in counts; None before the first one."""
        return self._table_range

    def reset(self) -> None:
        """Forget the stream (after a jump in time, say); known dead pixels stay."""
        self._converter.reset()
        self._forget_range()

    @property
    def pointwise(self) -> bool:
        """Whether each gray level depends on the count of its own pixel only: no dead pixels are
        repaired, and local contrast is off."""
        return not self.config.dead_pixels and self._local is None

    def counts(self, raw: AnyInfrared) -> RawInfrared:
        """Convert the next frame of the stream to counts, for `take`.

        Args:
            raw: ``(H, W)`` of any numbers, see `CountConverter`.

        Returns:
            ``(H, W) uint8 or uint16``, 0 where nothing is known; ``raw`` itself if it is of such a
            type.

        Raises:
            InputError: For anything but a two-dimensional array of numbers that is not empty.
        """
        return self._converter(raw)

    def take(self, raw: RawInfrared, time: float | None = None) -> bool:
        """Take in the next frame of the stream.

        Args:
            raw: ``(H, W) uint8 or uint16``, from `counts`.
            time: When it was captured, seconds; None if unknown.

        Returns:
            Whether it holds a new picture; if not (a flat-field correction), keep the last one.

        Raises:
            InputError: For an array of another type or shape.
        """
        if (
            not isinstance(raw, np.ndarray)
            or raw.ndim != 2
            or raw.dtype not in (np.uint8, np.uint16)
            or raw.size == 0
        ):
            raise InputError(f"infrared must be (H, W) uint8 or uint16, not {kind_of(raw)}")
        layout = (raw.dtype, raw.shape, self._converter.scale)
        if self._layout not in (None, layout):
            self._forget_range()  # that of the other format would show this one black or white
        self._layout, self._time = layout, time
        if not self.config.shutter:
            return True
        verdict = self._shutter.look(raw, time)
        if not verdict.hold:
            self._tracker.shift(verdict.shift)
        return not verdict.hold

    def __call__(self, raw: AnyInfrared, time: float | None = None) -> UInt8Array:
        """Convert the next frame to gray levels; during a flat-field correction, the last one.

        Args:
            raw: ``(H, W)`` of any numbers, see `CountConverter`.
            time: When it was captured, seconds; None if unknown.

        Returns:
            ``(H, W) uint8``; the next call may overwrite it.

        Raises:
            InputError: For anything but a two-dimensional array of numbers that is not empty.
        """
        counts = self.counts(raw)
        fresh = self.take(counts, time)
        if fresh or self._out is None or self._out.shape != counts.shape:
            self._out = self.normalize(counts)
        return self._out

    def _forget_range(self) -> None:
        self._tracker.reset()
        self._shutter.reset()
        self._table = None

    def normalize(self, raw: RawInfrared) -> UInt8Array:
        """Convert a frame that `take` has taken to gray levels.

        Args:
            raw: ``(H, W) uint8 or uint16``.

        Returns:
            ``(H, W) uint8``; the next call may overwrite it.
        """
        config = self.config
        out = self._out
        if out is None or out.shape != raw.shape:
            out = np.empty(raw.shape, np.uint8)
        apply_table(raw, self.levels(raw), out)
        if config.dead_pixels:
            self._dead.learn(raw)
            self._dead.repair(out)
        return self._local.apply(out) if self._local is not None else out

    def levels(self, raw: RawInfrared) -> UInt8Array:
        """The table from counts to gray levels for a frame that `take` has taken.

        Args:
            raw: ``(H, W) uint8 or uint16``.

        Returns:
            ``(256,) uint8`` for frames of 8 bits, ``(65536,) uint8`` for those of 16.
        """
        config = self.config
        plain = config.mode == "auto" and raw.dtype == np.uint8
        entries = 256 if raw.dtype == np.uint8 else 65536
        if plain:
            wanted = GrayRange(0.0, 255.0)
        elif config.mode == "range":
            wanted = config.fixed_range(self._converter.scale)
        else:
            wanted = self._tracker.update(raw, self._time)
        if self._table is None or len(self._table) != entries or self._moved(wanted):
            soft = not plain and config.mode != "range"
            table = tone_table(wanted, entries) if soft else linear_table(wanted, entries)
            self._table = 255 - table if config.polarity == "black_hot" else table
            self._table_range = wanted
        return self._table

    def _moved(self, wanted: GrayRange) -> bool:
        used = self._table_range
        if used is None:
            return True
        moved = max(abs(wanted.low - used.low), abs(wanted.high - used.high))
        return moved > VISIBLE_CHANGE * used.width / 255
