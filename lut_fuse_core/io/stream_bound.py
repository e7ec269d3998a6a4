"""How large an image of a stream is believed to be: a few bytes can announce gigabytes."""

from __future__ import annotations

from lut_fuse_core.errors import InputError

GROWTH = 16
"""How many times the pixels of what a stream showed so far the next image may have."""


class StreamBound:
    """Bounds what the images of one camera may announce, by what it showed so far.

    Args:
        max_pixels: Most pixels of an image at any time.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max = max_pixels
        self._shown = 0

    @property
    def pixels(self) -> int:
        """Most pixels that are believed now."""
        return min(self._max, GROWTH * self._shown) if self._shown else self._max

    def check(self, width: int, height: int) -> None:
        """Raise InputError for a size that is not believed."""
        if width * height <= self.pixels:
            return
        why = (
            f"the camera showed at most {self._shown / 1e6:.1f} megapixels so far"
            if self.pixels < self._max
            else f"at most {self._max / 1e6:.0f} megapixels are believed (max_megapixels)"
        )
        raise InputError(f"an image says its size is {width}x{height}: {why}")

    def showed(self, width: int, height: int) -> None:
        """Note the size of an image that was decoded."""
        self._shown = max(self._shown, width * height)
