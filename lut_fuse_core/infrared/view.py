"""Which pixels of a frame the camera sees: not those around a rectified image."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.libraries.opencv import cv2

LEAST_SHARE = 0.002
"""Smallest share of pixels outside a view; fewer zeros are dead pixels."""


def outside_view(raw: RawInfrared) -> UInt8Array | None:
    """Find the pixels that the camera does not see.

    In 16 bits these are patches of zeros, if the rest of the frame is far from zero, as raw counts
    and temperatures are; in 8 bits zero is black.

    Args:
        raw: ``(h, w) uint8 or uint16``.

    Returns:
        ``(h, w) uint8``: 255 where the camera sees something, 0 where it does not and next to that;
        None if it sees all, as always in 8 bits.
    """
    if raw.dtype != np.uint16:
        return None
    # Nearly all frames have none: every 64th pixel shows it, from two corners.
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
