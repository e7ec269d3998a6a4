"""The times of a stream: jumps back, and the offset between the clocks of its two cameras."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.quantity import CountConverter
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.sync.clock_offset import ClockOffset, ClockOffsetEstimator
from lut_fuse_core.sync.jumps import jumped_back_seconds


class StreamClock:
    """Owns the clock offset that is subtracted from infrared times.

    Args:
        config: Of the pipeline; `clock` says whether the offset is also estimated.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self._estimator = ClockOffsetEstimator() if config.clock != "fixed" else None
        self._counts = CountConverter(config.normalization.quantity)
        self._newest: float | None = None

    @property
    def estimate(self) -> ClockOffset | None:
        """The offset as estimated from the images; None without a clear one."""
        return None if self._estimator is None else self._estimator.estimate

    def offset(self, config: PipelineConfig) -> float:
        """Seconds that the infrared clock is taken to be ahead of the visible one."""
        if config.clock == "correct" and self.estimate is not None:
            return self.estimate.seconds
        return config.clock_offset

    def reset(self) -> None:
        """Forget the stream."""
        if self._estimator is not None:
            self._estimator.reset()
        self._counts.reset()
        self._newest = None

    def jumped(self, visible_time: float | None) -> bool:
        """Whether time was set back before a visible image (seconds; None if unknown)."""
        if visible_time is None:
            return False
        jumped = jumped_back_seconds(visible_time, self._newest)
        if jumped:
            self.reset()
        self._newest = visible_time
        return jumped

    def listen(
        self,
        visible: UInt8Array,
        infrared: AnyInfrared | None,
        visible_time: float | None,
        infrared_time: float | None,
    ) -> None:
        """Take frames into the estimate.

        Args:
            visible: ``(H, W, 3) uint8``, RGB.
            infrared: ``(h, w)``, counts or whatever the camera sends; None without.
            visible_time: When it was captured, seconds of its own clock; None if unknown.
            infrared_time: The same of infrared.

        Raises:
            InputError: For infrared that is no two-dimensional array of numbers.
        """
        if self._estimator is None:
            return
        if visible_time is not None:
            self._estimator.add_visible(visible, visible_time)
        if infrared is not None and infrared_time is not None:
            # Counts are left alone: the converter would take them for the start of a new stream.
            are_counts = infrared.dtype in (np.uint8, np.uint16)
            counts = cast(RawInfrared, infrared) if are_counts else self._counts(infrared)
            self._estimator.add_infrared(counts, infrared_time)
        self._estimator.latest()


def check_times(*times: float | None) -> None:
    """Raise InputError for a time (seconds; None if unknown) that is not finite."""
    for time in times:
        if time is not None and not math.isfinite(time):
            raise InputError(f"a capture time is {time}; give finite seconds, or None if unknown")
