"""How large an image a stream is believed to announce: a few bytes can announce gigabytes."""

from __future__ import annotations

from lut_fuse_core.errors import InputError

GROWTH = 16
"""Factor by which the next image may have more pixels than the largest one so far."""


class StreamBound:
    """Bounds what the images of one camera may announce, by what it showed so far.

    Args:
        max_pixels: Most pixels of any image.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max = max_pixels
        self._shown = 0

    @property
    def pixels(self) -> int:
        """Most pixels that the next image may have."""
        return min(self._max, GROWTH * self._shown) if self._shown else self._max

    def check(self, width: int, height: int) -> None:
        """Refuse a size that is not believed.

        Args:
            width: Announced, in pixels.
            height: Announced, in pixels.

        Raises:
            InputError: For more pixels than `pixels`.
        """
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
