"""Estimates the displacement field of the pairs of one rig, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, RawInfrared, UInt8Array
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.field.background import Background
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.edges import edge_channels
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.labels import (
    FoundLabels,
    evidence,
    field_labels,
    street_evidence,
    surface_evidence,
)
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.links import Links, visible_links
from lut_fuse_core.registration.field.matching import Channels, match
from lut_fuse_core.registration.rig import CameraRig

ALIGNED = 1.1
"""Bonus of displacements across or down over slanted ones, where the direction is not known."""

CHANGE_OF_MIND = 1.15
"""How much better another direction must fit, over the last seconds, to be taken instead."""

INVERTED = 1.05
"""How much better a ground and what stands on it must fit the other way round for calibrated lines
to be named as inverted: streets seen by rigs of 5 cm and more reach 1.15 to 2.1 where they are, at
most 0.99 where they are not."""

PROBE_EVERY = 4
"""Frames from one look along other lines to the next."""

NEWS = 0.5
"""Share of the latest frame in the fit that labels are found from."""

CALMING = 0.3
"""Share of the latest frame in a label that hardly changes; one that jumps is taken as it is."""

JUMP = 1.5
"""Labels by which a displacement must change from one estimate to the next to be shown at once."""

FORGETTING = 0.2
"""Share of the latest look in what is known of the fit along some lines."""

LEAST_EVIDENCE = 0.045
"""`evidence` below which a frame says nothing: noise has 0.03, dark streets 0.08 and more."""

PATIENCE = 30
"""Frames without evidence through which the field stays as it is."""

RETURN = 0.9
"""What is left of it with each frame after these."""


WRONG_WAY = (
    "depth is not followed: near objects are displaced the other way than the calibration says; is "
    "the transform between the cameras inverted?"
)


@dataclass(frozen=True, eq=False)
class WorkingPair:
    """A pair on the working grid, at the set distance.

    Attributes:
        visible: ``(h, w) float32``, gray levels.
        infrared: ``(h + 2 m, w + 2 m) float32``, counts, with the margin ``m`` of the geometry.
        inside: Of the same shape, 1 where infrared sees, 0 where it does not.
    """

    visible: FloatArray
    infrared: FloatArray
    inside: FloatArray


class FieldEstimator:
    """Compares the pairs of one rig. The first is seen on its own, later ones with what was seen
    before.

    Args:
        geometry: Of the rig.

    Attributes:
        problem: Why the field is not to be trusted, as a sentence; empty if it is.

    >>> from lut_fuse_core.registration import RegistrationConfig
    >>> geometry = FieldGeometry(RegistrationConfig(), (320, 240), (640, 480))
    >>> visible, raw = np.zeros((480, 640, 3), np.uint8), np.zeros((240, 320), np.uint16)
    >>> FieldEstimator(geometry).estimate(visible, raw).displacement.shape
    (30, 40, 2)
    """

    def __init__(self, geometry: FieldGeometry) -> None:
        self.geometry = geometry
        self.problem = ""
        self._calibrated = isinstance(geometry.registration.transform, CameraRig)
        self._lines = list(geometry.choices)
        self._chosen = self._frames = 0
        self._evidence: list[float] | None = None
        self._fit: FloatArray | None = None
        self._labels: FloatArray | None = None
        self._background: Background | None = None
        self._silent = 0

    def estimate(self, visible: UInt8Array, raw: RawInfrared) -> DisplacementField:
        """The field of the next pair.

        Args:
            visible: ``(H, W, 3) uint8``, RGB.
            raw: ``(h, w) uint8 or uint16``, infrared as the camera gave it.
        """
        return self.compare(self.reduced(visible, raw))

    def reduced(self, visible: UInt8Array, raw: RawInfrared) -> WorkingPair:
        """What `compare` needs of a pair, which may then be overwritten.

        Args:
            visible: ``(H, W, 3) uint8``, RGB.
            raw: ``(h, w) uint8 or uint16``, infrared as the camera gave it.
        """
        size = self.geometry.grid.size
        small = cv2.resize(visible, size, interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        return WorkingPair(gray, *self.geometry.infrared_at_work(raw))

    def compare(self, pair: WorkingPair) -> DisplacementField:
        """The field of the next pair, reduced.

        Args:
            pair: From `reduced`.
        """
        grid = self.geometry.grid
        there = edge_channels(pair.infrared, pair.inside)
        links = visible_links(pair.visible, grid.columns, grid.rows)
        lines = self._take_in(edge_channels(pair.visible), there, links)
        assert self._fit is not None
        found = field_labels(
            self._fit,
            lines,
            links,
            pair.infrared if self._calibrated else None,
            self._background,
            self._frames,
        )
        labels, confidence = self._settled(found)
        mean = lines.directions().mean(axis=(0, 1)) * grid.scale
        return DisplacementField(
            (labels[..., None] * lines.directions() * grid.scale).astype(np.float32),
            confidence,
            grid.visible_size,
            (mean / np.linalg.norm(mean)).astype(np.float32),
        )

    def _take_in(self, visible: Channels, infrared: Channels, links: Links) -> SearchLines:
        """Compare along the lines that fit best so far, now and then along one of the others too,
        and along all of them at the first pair."""
        self._frames += 1
        order = self._due()
        fits = [match(visible, infrared, self._lines[index]) for index in order]
        # One mean for all: edges fit along themselves, which says nothing against that direction.
        mean = _mean_of_labels(fits)
        seen = {index: fit - mean for index, fit in zip(order, fits, strict=True)}
        told = {index: evidence(fit) for index, fit in seen.items()}
        self._silent = self._silent + 1 if max(told.values()) < LEAST_EVIDENCE else 0
        if self._silent:
            if self._fit is None:
                self._fit = seen[self._chosen]
            return self._lines[self._chosen]
        first = self._evidence is None
        if len(order) > 1:
            self._weigh(self._streets(seen) if self._calibrated else self._worths(seen, links))
        if first and not self._calibrated:
            known = self._evidence[self._chosen] if self._evidence else 0.0
            for lines in self.geometry.beside(self._chosen):
                fit = match(visible, infrared, lines) - mean
                worth = _plausible(lines) * surface_evidence(fit, lines, links)
                if worth > known:
                    known, self._lines[self._chosen], seen[self._chosen] = worth, lines, fit
        fit = seen[self._chosen]
        if self._calibrated:
            fit = _unknown(fits[order.index(self._chosen)], self._unseen[self._chosen])
            fit -= _mean_of_labels([fit])
        self._fit = (
            fit
            if self._fit is None
            else cv2.addWeighted(fit, NEWS, self._fit, 1 - NEWS, 0).astype(np.float32, copy=False)
        )
        return self._lines[self._chosen]

    @cached_property
    def _unseen(self) -> list[npt.NDArray[np.bool_]]:
        """Of a calibrated rig, whose lines stay the same."""
        return [self.geometry.unseen(lines) for lines in self._lines]

    def _due(self) -> list[int]:
        """The lines to compare along this time."""
        every = range(len(self._lines))
        if self._evidence is None:
            return list(every)
        turn, rest = divmod(self._frames, PROBE_EVERY)
        others = [index for index in every if index != self._chosen]
        return [self._chosen] if rest else sorted([self._chosen, others[turn % len(others)]])

    def _streets(self, seen: dict[int, FloatArray]) -> dict[int, float]:
        """How well a ground and what stands on it explain the image along each of the lines."""
        return {
            index: street_evidence(_unknown(fit, self._unseen[index]), self._lines[index])
            for index, fit in seen.items()
        }

    def _worths(self, seen: dict[int, FloatArray], links: Links) -> dict[int, float]:
        """How well each of several directions explains the image."""
        lines = self._lines
        return {
            index: _plausible(lines[index]) * surface_evidence(fit, lines[index], links)
            for index, fit in seen.items()
        }

    def _weigh(self, worth: dict[int, float]) -> None:
        """Choose the lines that fit best."""
        if self._evidence is None:
            self._evidence = [worth[index] for index in range(len(self._lines))]
            self._chosen = 0 if self._calibrated else int(np.argmax(self._evidence))
            self._fit = None
            return
        for index, value in worth.items():
            self._evidence[index] += FORGETTING * (value - self._evidence[index])
        # Only what was tried with this pair can be taken at once.
        known = range(len(self._lines)) if self._calibrated else worth
        best = max(known, key=self._evidence.__getitem__)
        margin = INVERTED if self._calibrated else CHANGE_OF_MIND
        worth_so_far = self._evidence[self._chosen]
        if self._calibrated:  # what hardly fits at all is no standard
            worth_so_far = max(worth_so_far, LEAST_EVIDENCE)
        better = self._evidence[best] > margin * worth_so_far
        if self._calibrated:
            self.problem = WRONG_WAY if better else ""
        elif better:
            self._chosen = best
            self._fit = self._labels = self._background = None

    def _settled(self, found: FoundLabels) -> tuple[FloatArray, FloatArray]:
        """Labels and confidence in the light of the frames before."""
        before = self._labels
        if self._silent:
            labels = np.zeros_like(found.labels) if before is None else before
            if self._silent > PATIENCE:
                labels = np.float32(RETURN) * labels
            confidence = np.zeros_like(found.confidence)
        else:
            self._background = found.background
            labels, confidence = found.labels, found.confidence
            if before is not None:
                step = labels - before
                share = np.where(np.abs(step) < JUMP, np.float32(CALMING), np.float32(1))
                labels = before + share * step
        self._labels = labels
        return labels, confidence


def _plausible(lines: SearchLines) -> float:
    """Cameras are mounted side by side or one above the other rather than aslant."""
    return ALIGNED if np.abs(lines.slopes).max() < 0.01 else 1.0


def _unknown(fit: FloatArray, unseen: npt.NDArray[np.bool_]) -> FloatArray:
    """Labels that infrared does not see might fit as well as the best of the others: at the border
    of its view these fit by chance where the right one lies beyond."""
    cells = unseen.any(axis=-1)
    values, hidden = fit[cells], unseen[cells]
    best = np.where(hidden, 0, values).max(axis=-1, keepdims=True, initial=0)
    fit = fit.copy()
    fit[cells] = np.where(hidden, best, values)
    return fit


def _mean_of_labels(fits: list[FloatArray]) -> FloatArray:
    """Of each cell along all lines, ``(rows, columns, 1) float32``."""
    rows, columns, _ = fits[0].shape
    every = np.concatenate(fits, axis=-1).reshape(rows * columns, -1)
    # Ten times as fast as NumPy's, whose sums over short rows are slow.
    return cv2.reduce(every, 1, cv2.REDUCE_AVG).astype(np.float32).reshape(rows, columns, 1)
