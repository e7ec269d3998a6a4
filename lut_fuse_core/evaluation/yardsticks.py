"""What the time of a fusion is compared with: other things one may do with the same two images."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions


class WeightedSum:
    """OpenCV's half and half: infrared to three channels, then `addWeighted`."""

    name = "addWeighted"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._infrared: UInt8Array | None = None
        self._out: UInt8Array | None = None

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """The mean of both images; strength, mask and ambient level are not considered."""
        if cv2.getNumThreads() != self._threads:
            cv2.setNumThreads(self._threads)
        self._infrared = cv2.cvtColor(infrared, cv2.COLOR_GRAY2RGB, dst=self._infrared)  # type: ignore[assignment, call-overload]
        out = self._out if options.out is None else options.out
        self._out = cv2.addWeighted(visible, 0.5, self._infrared, 0.5, 0.0, dst=out)  # type: ignore[assignment, call-overload]
        assert self._out is not None
        return self._out


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
