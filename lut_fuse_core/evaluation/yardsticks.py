"""What the time of a fusion is compared with: other things one may do with the same two images."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions


class WeightedSum:
    """OpenCV's half and half: infrared to three channels, then `addWeighted`.

    Args:
        threads: Of OpenCV.
    """

    name = "addWeighted"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._gray: UInt8Array = np.empty((0, 0, 3), np.uint8)
        self._out: UInt8Array = np.empty((0, 0, 3), np.uint8)

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """The mean of both images; strength, mask and ambient level are not considered."""
        if cv2.getNumThreads() != self._threads:
            cv2.setNumThreads(self._threads)
        if self._gray.shape != visible.shape:
            self._gray, self._out = np.empty_like(visible), np.empty_like(visible)
        out = self._out if options.out is None else options.out
        cv2.cvtColor(infrared, cv2.COLOR_GRAY2RGB, dst=self._gray)
        cv2.addWeighted(visible, 0.5, self._gray, 0.5, 0.0, dst=out)
        return out


class Copy:
    """The visible image again: the least that anything which makes an image takes."""

    name = "copy"

    def __init__(self) -> None:
        self._out: UInt8Array | None = None

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """A copy of the visible image."""
        out = self._out if options.out is None else options.out
        if out is None or out.shape != visible.shape:
            out = np.empty_like(visible)
        np.copyto(out, visible)
        self._out = out
        return out
