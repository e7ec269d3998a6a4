"""Dead pixels of a thermal sensor: learned from the stream, filled from their neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.libraries.opencv import cv2

CHECK_EVERY = 8
"""Every so many frames one is checked; in between the scene moves, and its small spots with it."""

LOOKS = 8
"""Checks before the first verdict; until then every pixel is shown as it is."""

DEVIATION = 8.0
"""Standard deviations of the noise by which a dead pixel differs from the median around it."""

SHARE = 0.9
"""Share of the checks in which a pixel must differ to be taken for dead."""

MOST = 0.01
"""Largest share of dead pixels; more are no defects, but a pattern of the scene."""


class DeadPixels:
    """Finds pixels of a stream that always differ from their neighbors; repairs 8-bit frames."""

    def __init__(self) -> None:
        self._frames = 0
        self._looks = 0
        self._hits: npt.NDArray[np.uint16] | None = None
        self._rows: npt.NDArray[np.signedinteger[Any]] = np.empty(0, np.int64)
        self._columns: npt.NDArray[np.signedinteger[Any]] = self._rows

    @property
    def count(self) -> int:
        """Number of pixels that are taken for dead."""
        return len(self._rows)

    def learn(self, raw: RawInfrared) -> None:
        """Take in the next frame; one of another size starts again.

        Args:
            raw: ``(H, W) uint8 or uint16``.
        """
        if self._hits is None or self._hits.shape != raw.shape:
            self._hits = np.zeros(raw.shape, np.uint16)
            self._frames = self._looks = 0
            self._rows = self._columns = np.empty(0, np.int64)
        if self._frames % CHECK_EVERY == 0:
            self._look(raw, self._hits)
        self._frames += 1

    def repair(self, frame: UInt8Array) -> None:
        """Replace dead pixels by the median of their neighbors.

        Args:
            frame: ``(H, W) uint8``, of the size of the frames before; changed in place.
        """
        if not self.count:
            return
        height, width = frame.shape
        offsets = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
        neighbors = [
            frame[np.clip(self._rows + y, 0, height - 1), np.clip(self._columns + x, 0, width - 1)]
            for y, x in offsets
        ]
        frame[self._rows, self._columns] = np.median(neighbors, axis=0).astype(np.uint8)

    def _look(self, raw: RawInfrared, hits: npt.NDArray[np.uint16]) -> None:
        # A median over the eight neighbors and the pixel itself: one dead pixel cannot move it.
        difference = cv2.absdiff(raw, cv2.medianBlur(np.ascontiguousarray(raw), 3))
        noise = max(1.0, 1.4826 * float(np.median(difference[::4, ::4].astype(np.float32))))
        hits += difference > DEVIATION * noise
        self._looks += 1
        if self._looks < LOOKS:
            return
        dead = hits >= SHARE * self._looks
        if dead.mean() > MOST:
            dead[:] = False
        self._rows, self._columns = np.nonzero(dead)
        if self._looks >= 4 * LOOKS:
            # Old looks fade, so that a pixel which recovers is shown again.
            hits >>= 1
            self._looks //= 2
