"""The ambient level of a stream, low-pass filtered as eyes and exposure controls do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.model.features import ambient


class SlowAmbient:
    """Follows the ambient level of a stream of visible images, for `Backend.fuse`.

    Passing lamps and vehicles thus change the rest of the fused image slowly and in part, where
    each frame's own level would change it at once.

    Args:
        levels: `FusionModel.levels`; the level is clipped to the first and last.
        seconds: Time constant: a lasting change has been followed to 63 % after it; 0 follows each
            frame at once.
    """

    def __init__(self, levels: Sequence[float], seconds: float) -> None:
        self.seconds = seconds
        self._lowest, self._highest = levels[0], levels[-1]
        self._expected: tuple[UInt8Array, float] | None = None
        self.reset()

    def reset(self) -> None:
        """Begin again with the next frame's own level."""
        self._level: float | None = None
        self._began = self._time = 0.0

    def expect(self, visible: UInt8Array) -> None:
        """Measure the image that `follow` is called with next.

        Args:
            visible: ``(H, W, 3) uint8``, RGB; not changed until then.
        """
        self._expected = visible, self._own_level(visible)

    def follow(self, visible: UInt8Array, time: float | None) -> float | None:
        """The level to fuse a frame with.

        Args:
            visible: ``(H, W, 3) uint8``, RGB.
            time: Capture time in seconds; None if unknown.

        Returns:
            Gray levels; None for the frame's own, where the time is unknown.
        """
        if time is None or not self.seconds:
            self.reset()
            return None
        expected, self._expected = self._expected, None
        if expected is not None and expected[0] is visible:
            level = expected[1]
        else:
            level = self._own_level(visible)
        if self._level is None or time - self._time > self.seconds:
            self._level, self._began, self._time = level, time, time
        elif time > self._time:
            self._level += self._weight(time) * (level - self._level)
            self._time = time
        return self._level

    def _own_level(self, visible: UInt8Array) -> float:
        return min(max(ambient(visible), self._lowest), self._highest)

    def _weight(self, time: float) -> float:
        """Of a later frame's own level. Until there has been time enough, all frames but the first
        count the same: that one is often black, or far too bright."""
        passed = time - self._time
        return max(1 - math.exp(-passed / self.seconds), passed / (time - self._began))
