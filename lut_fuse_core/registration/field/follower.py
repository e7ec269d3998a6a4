"""Follows the depth of a stream: one field after the other, with memory and with doubts."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.doubts import doubts_about, doubts_about_pair
from lut_fuse_core.registration.field.estimator import FieldEstimator, WorkingPair
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.warping import FieldWarps
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.warp import Warp

CALM = 0.3
"""Visible pixels, at a width of 640, by which a field may differ from the one that is shown before
it replaces it: noise of the estimate must not move the image."""


EVERY = 2
"""Frames from one estimate to the next. It is made in a thread of its own and taken with the next
frame, however fast the machine is: the same frames give the same images everywhere."""


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


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a stream shows at present.

    Attributes:
        base: The warp at the set distance.
        warp: The one that is used.
        field: What that was made for; None if it is ``base``.
        latest: The latest estimate, which may differ by too little to be shown; None if depth is
            not followed.
        problem: Why not, as a sentence.
    """

    base: Warp
    warp: Warp
    field: DisplacementField | None = None
    latest: DisplacementField | None = None
    problem: str = ""


class DepthFollower:
    """Turns the warp at the set distance into one that follows what is in view.

    The first pair of a stream waits for its field; later ones show what was found one or two frames
    before.

    Attributes:
        status: Of the latest frame.
        field: The latest estimate; None before the first, and while depth is not followed.
    """

    def __init__(self) -> None:
        self.status = DepthStatus()
        self.field: DisplacementField | None = None
        self._geometry: FieldGeometry | None = None
        self._config: RegistrationConfig | None = None
        self._shown: _Shown | None = None
        self._pending: Future[_Shown] | None = None
        self._frames = -1

    def reset(self) -> None:
        """Forget the stream (another recording, a pair on its own)."""
        self._start_again()
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
        shown, pending = self._shown, self._pending
        if pending is not None:
            self._pending = None
            shown = pending.result()
        if shown is None or shown.base is not base:
            shown = self._looked_at(_Shown(base, base), raw, visible, at_once=True)
        elif self._frames % EVERY == 0:
            shown = self._looked_at(shown, raw, visible, at_once=False)
        self._show(shown)
        return shown.warp

    def _start_again(self) -> None:
        self.field = self._shown = self._pending = None
        self._frames = -1

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
        self._start_again()

    def _looked_at(
        self, shown: _Shown, raw: RawInfrared, visible: UInt8Array, at_once: bool
    ) -> _Shown:
        """What is shown with this pair; its own field follows with the next unless `at_once`."""
        problem = self._doubts or doubts_about_pair(visible, raw)
        if problem:
            return _Shown(shown.base, shown.base, problem=problem)
        estimator, warps = self._estimator, self._warps
        pair = estimator.reduced(visible, raw)
        if at_once:
            return _next_shown(estimator, warps, shown, pair)
        self._pending = self._worker.submit(_next_shown, estimator, warps, shown, pair)
        return shown

    @cached_property
    def _worker(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "depth")

    def _show(self, shown: _Shown) -> None:
        if shown is self._shown:
            return
        self._shown, self.field = shown, shown.latest
        if shown.latest is None:
            self.status = DepthStatus(problem=shown.problem)
            return
        lengths = np.linalg.norm(shown.latest.displacement, axis=-1)
        self.status = DepthStatus(
            float(np.median(lengths)),
            float(lengths.max()),
            float(shown.latest.confidence.mean()),
        )


def _next_shown(
    estimator: FieldEstimator, warps: FieldWarps, shown: _Shown, pair: WorkingPair
) -> _Shown:
    """What is shown once a pair has been compared."""
    field = estimator.compare(pair)
    if estimator.problem:
        return _Shown(shown.base, shown.base, problem=estimator.problem)
    if shown.field is not None:
        change = np.abs(field.displacement - shown.field.displacement)
        if change.max() < CALM * field.visible_size[0] / 640:
            return replace(shown, latest=field)
    return _Shown(shown.base, warps.follow(shown.base, field), field, field)
