"""The ambient level of a stream: followed slowly, as eyes and exposure controls do."""

from __future__ import annotations

import math

from lut_fuse_core.features import UInt8Array, ambient


class SlowAmbient:
    """Follows the ambient level of a stream of visible images, for `Backend.fuse`.

    What drives past, or a lamp gone by, thus changes the rest of the fused picture slowly and in
    part, where each frame's own level would change it at once.

    seconds: until a lasting change has been followed to 63 %; 0 follows each frame at once.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._level: float | None = None
        self._time = 0.0

    def reset(self) -> None:
        """Begin anew with the next frame's own level."""
        self._level = None

    def follow(self, visible: UInt8Array, time: float | None) -> float | None:
        """The level to fuse a frame with; None for the frame's own.

        visible: ``(H, W, 3) uint8``, RGB. time: in seconds, of the capture; None if unknown, then
        there is nothing to follow by.
        """
        if time is None or not self.seconds:
            self.reset()
            return None
        level = ambient(visible)
        if self._level is not None:
            passed = max(0.0, time - self._time)
            level += math.exp(-passed / self.seconds) * (self._level - level)
        self._level, self._time = level, time
        return level
