"""Follows the depth of a stream: one field after the other, with memory and with doubts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.doubts import doubts_about, doubts_about_pair
from lut_fuse_core.registration.field.estimator import FieldEstimator
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.warping import FieldWarps
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.warp import Warp

CALM = 0.3
"""Visible pixels, at a width of 640, by which a field may differ from the one that is shown before
it replaces it: noise of the estimate must not move the image."""


EVERY = 2
"""Frames from one estimate to the next, in between the last one serves: half the time, and at most
one frame behind."""


@dataclass(frozen=True)
class DepthStatus:
    """What following the depth does at present, for diagnostics.

    Attributes:
        displacement: Median length of the displacements in visible pixels.
        largest: The longest.
        confidence: Mean confidence of the cells, 0 to 1.
        problem: Why depth is not followed, as a sentence; empty if it is.
    """

    displacement: float = 0.0
    largest: float = 0.0
    confidence: float = 0.0
    problem: str = ""


class DepthFollower:
    """Turns the warp at the set distance into one that follows what is in view.

    Attributes:
        status: Of the latest frame.
        field: The latest estimate; None before the first, and while depth is not followed.
    """

    def __init__(self) -> None:
        self.status = DepthStatus()
        self.field: DisplacementField | None = None
        self._geometry: FieldGeometry | None = None
        self._config: RegistrationConfig | None = None
        self._frames = -1
        self._shown: tuple[Warp, DisplacementField, Warp] | None = None

    def reset(self) -> None:
        """Forget the stream (another recording, a pair on its own)."""
        self.field = self._shown = None
        self._frames = -1
        if self._geometry is not None:
            self._estimator = FieldEstimator(self._geometry)

    def warp(
        self, base: Warp, config: RegistrationConfig, raw: RawInfrared, visible: UInt8Array
    ) -> Warp:
        """The warp for a pair.

        Args:
            base: At the set distance; returned as it is where depth cannot be followed.
            config: What ``base`` was made for.
            raw: ``(h, w) uint8 or uint16``.
            visible: ``(H, W, 3) uint8``, RGB.
        """
        self._prepare(base, config)
        self._frames += 1
        if self._shown is not None and self._shown[0] is base and self._frames % EVERY:
            return self._shown[2]
        problem = self._doubts or doubts_about_pair(visible, raw)
        if problem:
            self.status, self.field, self._shown = DepthStatus(problem=problem), None, None
            return base
        self.field = self._estimator.estimate(visible, raw)
        if self._estimator.problem:
            self.status, self._shown = DepthStatus(problem=self._estimator.problem), None
            return base
        lengths = np.linalg.norm(self.field.displacement, axis=-1)
        self.status = DepthStatus(
            float(np.median(lengths)), float(lengths.max()), float(self.field.confidence.mean())
        )
        return self._follow(base, self.field)

    def _prepare(self, base: Warp, config: RegistrationConfig) -> None:
        sizes = base.infrared_size, base.visible_size
        known = self._geometry
        same = known is not None and sizes == (known.infrared_size, known.visible_size)
        if same and self._config == config:
            return
        self._config = config
        geometry = FieldGeometry(replace(config, depth="off"), *sizes)
        self._geometry, self._doubts = geometry, doubts_about(geometry)
        self._estimator, self._warps = FieldEstimator(geometry), FieldWarps(geometry)
        self.field = self._shown = None
        self._frames = -1

    def _follow(self, base: Warp, field: DisplacementField) -> Warp:
        if self._shown is not None and self._shown[0] is base:
            change = np.abs(field.displacement - self._shown[1].displacement)
            if change.max() < CALM * field.visible_size[0] / 640:
                return self._shown[2]
        warp = self._warps.follow(base, field)
        self._shown = base, field, warp
        return warp
