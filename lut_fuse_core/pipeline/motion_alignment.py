"""A reused infrared frame aligned with the motion of the visible image."""

from __future__ import annotations

from typing import Any

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.libraries.opencv import cv2

FLOW_WIDTH = 320
"""Width at which motion is measured; it is smooth, and a reused frame is a stopgap."""

LEAST_SIDE = 32
"""Of the images that motion is measured in: OpenCV's flow crashes on long ones of less."""


class MotionAlignment:
    """Warps an image that belongs to an earlier visible frame onto the present one."""

    def __init__(self) -> None:
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._reference: UInt8Array | None = None

    def remember(self, visible: UInt8Array) -> None:
        """Take the visible frame, ``(H, W, 3) uint8``, that belongs to the image to be reused."""
        self._reference = _small(visible)

    def align(self, reused: UInt8Array, visible: UInt8Array) -> UInt8Array:
        """``reused``, ``(H, W) uint8``, moved to where its content is in ``visible``."""
        present = _small(visible)
        reference = self._reference
        if reference is None or reference.shape != present.shape:
            return reused
        flow = self._flow.calc(present, reference, None)
        height, width = reused.shape
        scale = np.array([width / present.shape[1], height / present.shape[0]], np.float32)
        motion = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * scale
        motion[..., 0] += np.arange(width, dtype=np.float32)
        motion[..., 1] += np.arange(height, dtype=np.float32)[:, None]
        across, down = cv2.split(motion)
        moved = cv2.remap(reused, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)


def _small(visible: UInt8Array) -> UInt8Array:
    height, width = visible.shape[:2]
    scale = min(1.0, FLOW_WIDTH / width)
    size = (max(LEAST_SIDE, round(width * scale)), max(LEAST_SIDE, round(height * scale)))
    gray = np.ascontiguousarray(visible[..., 1])
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
