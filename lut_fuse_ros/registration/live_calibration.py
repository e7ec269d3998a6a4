"""Registration from the live stream: a few pairs are gathered, then compared in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.registration.file import save_registration

if TYPE_CHECKING:  # OpenCV with it, which most nodes do without
    from lut_fuse_core.calibration.from_pairs import PairsCalibration

SPACING = 0.5
"""Seconds between the pairs that are gathered; consecutive frames would add nothing new."""

PATIENCE = 60.0
"""Seconds to wait for the pairs before giving up."""

THREAD = "calibration"

Result: TypeAlias = "PairsCalibration | LutFuseError"


class LiveCalibration:
    """Takes ``count`` pairs from the worker and estimates the homography between the cameras.

    Args:
        count: Pairs to gather.
        normalization: Of the infrared images.
        done: Called once with the result or the error that prevented one, in the thread that finds
            it: one of its own, or that of `cancel`'s caller.
        spacing: Seconds between the pairs.
        patience: Seconds to wait for the pairs before giving up.
    """

    def __init__(
        self,
        count: int,
        normalization: NormalizationConfig,
        done: Callable[[Result], None],
        *,
        spacing: float = SPACING,
        patience: float = PATIENCE,
    ) -> None:
        self._count, self._spacing, self._done = count, spacing, done
        self._normalizer = InfraredNormalizer(normalization)
        self._pairs: list[tuple[UInt8Array, UInt8Array]] = []
        self._next = 0.0
        self._lock = threading.Lock()
        self._finished = False
        self._alarm = threading.Timer(patience, self._gave_up, [patience])
        self._alarm.daemon = True
        self._alarm.start()

    @property
    def wants_pairs(self) -> bool:
        """Whether more pairs are needed."""
        return not self._finished and len(self._pairs) < self._count

    def offer(self, visible: UInt8Array, infrared: AnyInfrared) -> None:
        """Take a pair if one is due. Copies: the arrays belong to messages."""
        now = time.monotonic()
        if not self.wants_pairs or now < self._next:
            return
        self._next = now + self._spacing
        self._pairs.append((visible.copy(), self._normalizer(infrared).copy()))
        if len(self._pairs) == self._count:
            self._alarm.cancel()
            threading.Thread(target=self._estimate, name=THREAD, daemon=True).start()

    def cancel(self, reason: str) -> None:
        """End with an error, if it has not ended yet."""
        self._finish(InputError(reason))

    def _gave_up(self, patience: float) -> None:
        self.cancel(f"{len(self._pairs)} of {self._count} pairs came within {patience:.0f} s")

    def _estimate(self) -> None:
        try:
            from lut_fuse_core.calibration.from_pairs import calibrate_from_pairs

            result: Result = calibrate_from_pairs(self._pairs, progress=self._go_on)
        except LutFuseError as error:
            result = error
        except Exception as error:  # a caller waits for the answer, whatever it is
            result = LutFuseError(f"{type(error).__name__}: {error}")
        self._finish(result)

    def _go_on(self, _: float) -> None:
        """Leave the estimate as soon as nobody waits for it any more."""
        if self._finished:
            raise LutFuseError("canceled")

    def _finish(self, result: Result) -> None:
        with self._lock:
            if self._finished:
                return
            self._finished = True
        self._alarm.cancel()
        self._done(result)


def estimating() -> bool:
    """Whether an estimate is still being computed in this process, wanted or not."""
    return any(thread.name == THREAD for thread in threading.enumerate())


def outcome(result: Result, file: str) -> tuple[bool, str]:
    """Whether a result may be used, and the sentence for the operator; writes it to ``file``."""
    if isinstance(result, LutFuseError):
        return False, str(result)
    quality = result.quality
    if not result.accepted:
        return False, f"not trusted, nothing changed: {result.reason}"
    text = (
        f"registered from {quality.pairs} pairs: agreement {quality.agreement:.2f}, corners "
        f"certain to {quality.uncertainty:.1f} pixels"
    )
    if not file:
        return True, f"{text}; in use until the node ends (set calibration.file to keep it)"
    try:
        save_registration(Path(file).expanduser(), result.homography, result.facts())
    except (OSError, InputError) as error:
        return True, f"{text}; in use, but not written: {error}"
    return True, f"{text}; in use, and written to {file}"
