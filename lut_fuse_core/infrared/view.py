"""Which pixels of a frame the camera sees: not those around a rectified or registered image."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.opencv import cv2

LEAST_SHARE = 0.002
"""Share of the pixels that are outside a view, at least; fewer zeros are dead pixels."""


def outside_view(raw: RawInfrared) -> UInt8Array | None:
    """Where a frame holds nothing.

    Args:
        raw: ``(h, w) uint8 or uint16``. Of 16 bits, patches of zeros are nothing if the rest of
            the frame is far from zero, as raw counts and temperatures are; 8 bits begin at black.

    Returns:
        ``(h, w) uint8``: 255 where the camera sees something, 0 where it does not; None if it sees
        something everywhere.
    """
    if raw.dtype != np.uint16:
        return None
    # Looked at first, as nearly all frames have none: every 64th pixel, from both corners.
    if raw[::8, ::8].all() and raw[::-8, ::-8].all():
        return None
    seen = np.where(raw == 0, 0, 255).astype(np.uint8)
    patches = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    if np.count_nonzero(patches) > (1 - LEAST_SHARE) * raw.size:
        return None
    known = raw[patches > 0]
    if known.size:
        low, high = np.percentile(known[:: max(1, known.size // 4096)], (1, 99))
        if low < high - low:
            return None  # a scale that begins at zero
    # Next to it pixels are interpolated between the scene and zero.
    return cv2.erode(patches, np.ones((3, 3), np.uint8)).astype(np.uint8)
