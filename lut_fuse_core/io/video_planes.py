"""Visible video whose colors pass unchanged: luma to fuse, chroma to write again.

Fusion changes luma alone, and video stores luma apart. To convert each frame to RGB and back takes
as long as a third of the look-up, and three times the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lut_fuse_core.arrays import UInt8Array, gray_view
from lut_fuse_core.io.video_pixels import VisiblePixels, plane_of
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.tables import looked_up

if TYPE_CHECKING:
    from av import VideoFrame

Chroma = tuple[UInt8Array, UInt8Array]
"""U and V of limited range (16 to 240), each ``((H + 1) // 2, (W + 1) // 2) uint8``."""

_STORED = np.arange(256)

_TO_FULL = np.clip(np.rint((_STORED - 16) * 255 / 219), 0, 255).astype(np.uint8)

_TO_LIMITED = np.rint(_STORED * 219 / 255 + 16).astype(np.uint8)

_BT601 = (2, 5, 6)
"""FFmpeg's numbers of matrices: not tagged, which is taken for BT.601, and BT.601's two."""

_FULL_RANGE = 2
"""FFmpeg's number of the range from 0 to 255."""


@dataclass(frozen=True)
class ColorFrame:
    """A visible frame as it is fused and written.

    Attributes:
        image: ``(H, W, 3) uint8``, RGB; with ``chroma`` the luma of full range, as a gray view.
        chroma: The colors of the frame, if they are kept apart; else None.
    """

    image: UInt8Array
    chroma: Chroma | None = None


class ColorPlanes:
    """Takes frames apart into luma and chroma where their colors can be written as they are.

    These are planes of 8 bits with 4:2:0 chroma, limited range and the matrix of BT.601, as most
    cameras and encoders write them. Others become RGB, see `VisiblePixels`.
    """

    def __init__(self) -> None:
        self._rgb = VisiblePixels()

    def __call__(self, frame: VideoFrame) -> ColorFrame:
        """Convert a frame.

        Args:
            frame: As PyAV decodes it; the planes of chroma are views of it.

        Returns:
            Its luma and chroma, or RGB.

        Raises:
            InputError: For a pixel format that FFmpeg does not convert.
        """
        if not (
            frame.format.name == "yuv420p"
            and int(frame.colorspace) in _BT601
            and int(frame.color_range) != _FULL_RANGE
        ):
            return ColorFrame(self._rgb(frame))
        luma = looked_up(plane_of(frame, 0, frame.width), _TO_FULL)
        u, v = (plane_of(frame, index, (frame.width + 1) // 2) for index in (1, 2))
        return ColorFrame(gray_view(luma), (u, v))


def joined(luma: UInt8Array, chroma: Chroma) -> UInt8Array:
    """Luma and chroma below each other, as encoders take 4:2:0 of limited range.

    Args:
        luma: ``(H, W) uint8``, of full range. An odd last row or column is repeated.
        chroma: The colors.

    Returns:
        ``(H * 3 / 2, W) uint8``, of the next even height and width.
    """
    height, width = (side + side % 2 for side in luma.shape)
    whole = np.empty((height * 3 // 2, width), np.uint8)
    below = whole[:height]
    if luma.shape == below.shape:
        looked_up(luma, _TO_LIMITED, below)
    else:
        margin = (0, height - luma.shape[0], 0, width - luma.shape[1])
        below[...] = cv2.copyMakeBorder(_TO_LIMITED[luma], *margin, cv2.BORDER_REPLICATE)
    places = whole[height:].reshape(2, height // 2, width // 2)
    for plane, place in zip(chroma, places, strict=True):
        place[...] = plane
    return whole
