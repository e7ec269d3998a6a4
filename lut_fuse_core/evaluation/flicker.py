"""Flicker: how much the fused video changes where its inputs stand still.

Derivation. A fused pixel is a function F of the visible luma V and the infrared intensity I around
it, so between two frames it changes by about ``dF = F_V dV + F_I dI``. A blend whose weights add
up to one keeps ``mean |dF| <= max(mean |dV|, mean |dI|)``. A method that exceeds this amplifies the
noise of the sensors, or lets something far away through (statistics of the whole frame, say), and
the eye sees it as flicker. So we look at the pixels where neither input changed by more than
`STILL_LIMIT` gray levels, which is noise rather than motion, take the mean absolute changes of V, I
and F there, and divide:

    ratio = mean |dF| / max(mean |dV|, mean |dI|)

1 or less: the fused video is no more restless than the more restless of its inputs. Every step from
one frame to the next counts the same, however much of it stands still; steps in which next to
nothing does (a pan) are left out and counted. This way, a cut to another scene looks like traffic:
measure one take at a time.

The second meter asks the question for a transient object, a lamp or a hot object that enters the
view: how much does the rest of the image change, in the region that it does not touch?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.metrics import gray_levels

STILL_LIMIT = 2
"""Gray levels by which an input may change in a pixel that counts as still."""

LEAST_STILL_SHARE = 0.02
"""Share of still pixels below which a step is a pan, and says nothing about flicker."""

BoolArray = npt.NDArray[np.bool_]
FloatVector = npt.NDArray[np.float64]


class FusedFrame(NamedTuple):
    """One frame of a fused video, in gray levels: three ``(H, W) uint8`` images."""

    visible: UInt8Array
    infrared: UInt8Array
    fused: UInt8Array

    @classmethod
    def of(cls, visible: UInt8Array, infrared: UInt8Array, fused: UInt8Array) -> FusedFrame:
        """From gray or RGB images of one size.

        Raises:
            InputError: Otherwise.
        """
        frame = cls(gray_levels(visible), gray_levels(infrared), gray_levels(fused))
        if not frame.visible.shape == frame.infrared.shape == frame.fused.shape:
            sizes = ", ".join(f"{image.shape[1]}x{image.shape[0]}" for image in frame)
            raise InputError(f"visible, infrared and fused differ in size ({sizes})")
        return frame


@dataclass(frozen=True)
class FlickerReport:
    """Flicker of a video.

    Attributes:
        steps: Steps between consecutive frames that were measured.
        skipped: Those left out because next to nothing stood still.
        still_share: Mean share of still pixels, 0 to 1.
        visible: Mean absolute change of the still pixels per step, in gray levels.
        infrared: Likewise.
        fused: Likewise.
    """

    steps: int
    skipped: int
    still_share: float
    visible: float
    infrared: float
    fused: float

    @property
    def ratio(self) -> float:
        """Change of the fused video over that of its more restless input; at most 1 is calm.

        0 if nothing changes at all, infinite if only the fused video does.
        """
        restless = max(self.visible, self.infrared)
        if restless == 0.0:
            return 0.0 if self.fused == 0.0 else float("inf")
        return self.fused / restless


class FlickerMeter:
    """Measures a stream frame by frame; keeps one frame and a few sums, however long it is.

    >>> import numpy as np
    >>> frames = np.random.default_rng(0).integers(99, 102, (4, 2, 48, 64)).astype(np.uint8)
    >>> meter = FlickerMeter()
    >>> for visible, infrared in frames:
    ...     meter.update(visible, infrared, fused=visible)
    >>> meter.report().ratio <= 1.0
    True
    """

    def __init__(self) -> None:
        self._previous: FusedFrame | None = None
        self._changes: FloatVector = np.zeros(3)
        self._share = 0.0
        self._steps = 0
        self._skipped = 0

    def update(self, visible: UInt8Array, infrared: UInt8Array, fused: UInt8Array) -> None:
        """Add the next frame.

        A frame of another size than the one before begins a new sequence of frames, like the first.

        Args:
            visible: ``(H, W) uint8``, or ``(H, W, 3) uint8`` RGB.
            infrared: Likewise.
            fused: Likewise.

        Raises:
            InputError: If the three differ in size.
        """
        frame, previous = FusedFrame.of(visible, infrared, fused), self._previous
        self._previous = frame
        if previous is None or previous.visible.shape != frame.visible.shape:
            return
        changes = [cv2.absdiff(new, old) for new, old in zip(frame, previous, strict=True)]
        still = (changes[0] <= STILL_LIMIT) & (changes[1] <= STILL_LIMIT)
        if still.mean() < LEAST_STILL_SHARE:
            self._skipped += 1
            return
        self._steps += 1
        self._share += float(still.mean())
        self._changes += [change[still].mean() for change in changes]

    def report(self) -> FlickerReport:
        """Flicker so far.

        Raises:
            InputError: If no step could be measured.
        """
        if self._steps == 0 and self._skipped:
            raise InputError(
                f"flicker cannot be measured: in each of the {self._skipped} steps less than "
                f"{LEAST_STILL_SHARE:.0%} of the pixels stood still; it takes a fixed camera"
            )
        if self._steps == 0:
            raise InputError("flicker takes at least two consecutive frames of one size")
        visible, infrared, fused = (float(value) for value in self._changes / self._steps)
        return FlickerReport(
            self._steps, self._skipped, self._share / self._steps, visible, infrared, fused
        )


@dataclass(frozen=True)
class RegionChange:
    """Change of one image stream in a region, in gray levels.

    Attributes:
        mean: Absolute change of a pixel, mean over region and frames.
        worst: Of the worst frame.
        shift: How far the region's mean brightness moved in the worst frame, free of pixel noise.
    """

    mean: float
    worst: float
    shift: float


@dataclass(frozen=True)
class TransientReport:
    """What a transient object did to the region that it does not touch.

    Attributes:
        frames: That were compared.
        share: Mean share of the picture that the region covers, 0 to 1.
        visible: Change of the visible image.
        infrared: Change of the infrared image.
        fused: Change of the fused image.
    """

    frames: int
    share: float
    visible: RegionChange
    infrared: RegionChange
    fused: RegionChange


class TransientMeter:
    """Compares frames with a transient object to the same view without it, in constant memory."""

    def __init__(self) -> None:
        self._frames = 0
        self._share = 0.0
        self._sum: FloatVector = np.zeros(3)
        self._worst: FloatVector = np.zeros(3)
        self._shift: FloatVector = np.zeros(3)

    def update(self, without: FusedFrame, with_transient: FusedFrame, untouched: BoolArray) -> None:
        """Add one frame.

        Args:
            without: Rendered without the transient object.
            with_transient: The same frame with it.
            untouched: ``(H, W) bool``, True where the transient object is not.

        Raises:
            InputError: If the sizes differ or the region is empty.
        """
        if not without.visible.shape == with_transient.visible.shape == untouched.shape:
            raise InputError("the frames and the mask of the untouched region differ in size")
        if not untouched.any():
            raise InputError("the mask of the untouched region is empty")
        differences = [
            new[untouched].astype(np.int16) - old[untouched]
            for new, old in zip(with_transient, without, strict=True)
        ]
        absolute = np.array([np.abs(difference).mean() for difference in differences])
        shift = np.array([abs(difference.mean()) for difference in differences])
        self._frames += 1
        self._share += float(untouched.mean())
        self._sum += absolute
        self._worst = np.maximum(self._worst, absolute)
        self._shift = np.maximum(self._shift, shift)

    def report(self) -> TransientReport:
        """The change so far.

        Raises:
            InputError: If there was no frame.
        """
        if self._frames == 0:
            raise InputError("no frame with a transient object was measured")
        streams = zip(self._sum / self._frames, self._worst, self._shift, strict=True)
        changes = [RegionChange(*(float(value) for value in stream)) for stream in streams]
        return TransientReport(self._frames, self._share / self._frames, *changes)
