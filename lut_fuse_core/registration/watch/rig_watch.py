"""Watches whether infrared still lies where the registration puts it, once a second."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from lut_fuse_core.arrays import FloatArray, RawInfrared, Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.blank import blank_or_unlit_camera
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.rig import LONGEST_BASELINE, CameraRig
from lut_fuse_core.registration.watch.correction import Displacement, corrected
from lut_fuse_core.registration.watch.small_pair import Shrinker
from lut_fuse_core.registration.watch.suspects import Suspects
from lut_fuse_core.registration.watch.tiles import Residual, Tiles

_log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks."""

PARTS = 40
"""Parts of a look that are done within `EVERY`: one for each image at 30 Hz, four at 10 Hz."""

PATIENCE = 60.0
"""Seconds for which the same residual must be seen before it is believed."""

START = 10
"""Looks after which it is asked whether the images fit at all."""

BLANK = 5
"""Looks in a row without a picture after which a camera is called blank."""

DISPLACED = 1.0
"""Displacement that counts, pixels of the small grid: 0.8 % of the image's longer side."""

GAIN = 1.08
"""How much better the displaced place must fit than the one that is set."""

EVIDENCE = 0.03
"""Likeness above chance from which on images fit at a place."""

SURE = 0.1
"""Likeness above chance from which on it is not asked any more whether the images fit at all.

Rigs that fit have 0.17 in smoke and 0.24 to 0.41 else; streets with a rotated infrared image reach
0.04."""

EVERYWHERE = 0.6
"""Share of the tiles that must prefer the displaced place, in every quarter of the image."""


@dataclass(frozen=True)
class RigState:
    """What is known about a rig.

    Attributes:
        problem: What is wrong, as a sentence; empty if nothing is known to be.
        displacement: By how much infrared is beside the visible image; None while that cannot be
            estimated.
        corrections: How often the registration was corrected.
        looks: Pairs that were compared.
    """

    problem: str = ""
    displacement: Displacement | None = None
    corrections: int = 0
    looks: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report on a recording."""
        times = "once" if self.corrections == 1 else f"{self.corrections} times"
        corrected = f"the registration was corrected {times}, since the rig had moved"
        return tuple(filter(None, (corrected if self.corrections else "", self.problem)))


class RigWatch:
    """Compares a pair of a stream once a second.

    Single scenes deceive: near things lie beside themselves, and some show no edge that both
    cameras see. So what counts is what stays for a minute, all over the image. A look takes 10 to
    30 milliseconds, of a copy of the pair, spread over the images of a second so that none of them
    is late. It does not depend on `RegistrationConfig.depth`, only on where the registration itself
    puts infrared.
    """

    def __init__(self) -> None:
        self.corrections = 0
        self.state = RigState()
        self._shrink = Shrinker()
        self.reset()

    def reset(self) -> None:
        """Start again: another recording, or another registration."""
        self._tiles = Tiles()
        self._suspects: Suspects | None = None
        self._verdict = ""
        self._now: float | None = None
        self._last: float | None = None
        self._since: float | None = None
        self._looks = self._blanks = 0
        self._fitted = False
        self._work: Iterator[RegistrationConfig | None] | None = None
        self._owed = 0

    def take(
        self, visible: UInt8Array, infrared: RawInfrared, config: RegistrationConfig, time: float
    ) -> None:
        """Take the next pair of the stream; most are not looked at.

        Args:
            visible: ``(H, W, 3) uint8``; copied if it is looked at.
            infrared: ``(h, w)``, raw; likewise.
            config: The registration in use.
            time: Of the pair, seconds.
        """
        since = 0.0 if self._now is None else time - self._now
        self._now = time
        self._owed = max(1, round(PARTS * since / EVERY))
        if self._work is None and not (self._last is not None and 0 <= time - self._last < EVERY):
            self._work = self._parts(visible.copy(), infrared.copy(), config, time)

    def go_on(self) -> RegistrationConfig | None:
        """Do the share of a look that fell due with the last pair, if that was not done yet.

        Returns:
            The corrected registration, once the rig is known to have moved and
            `RegistrationConfig.follow` is set; else None.
        """
        parts, self._owed = self._owed, 0
        if self._work is None:
            return None
        for _ in range(parts):
            try:
                better = next(self._work)
            except StopIteration:
                self._work = None
                return None
            if better is not None:
                return better
        return None

    def _parts(
        self, visible: UInt8Array, infrared: RawInfrared, config: RegistrationConfig, time: float
    ) -> Iterator[RegistrationConfig | None]:
        """A look, in parts of about a millisecond."""
        passed = EVERY if self._last is None else min(abs(time - self._last), 5 * EVERY)
        self._last = time
        blank = blank_or_unlit_camera(visible, infrared)
        self._blanks = self._blanks + 1 if blank else 0
        if blank:
            if self._blanks >= BLANK:
                self._tell(
                    f"the {blank} image is blank (black, or the same everywhere): is its lens "
                    "covered, or its exposure wrong?"
                )
            return
        yield None
        try:
            pair = yield from self._shrink.shrinking(visible, infrared, config)
        except InputError:  # said where the pair is fused
            return
        yield None
        wrong = _plain_mistake(config, pair.seen)
        if wrong:
            self._tell(wrong)
            return
        self._looks += 1
        yield from self._asking(visible, infrared, config, pair.visible)
        for _ in self._tiles.adding(pair, passed):
            yield None
        found = self._tiles.residual()
        yield None
        if found is None:
            self._tell("")
        else:
            sizes = (visible.shape[1], visible.shape[0]), (infrared.shape[1], infrared.shape[0])
            yield self._judge(found, config, time, sizes, pair.scale)

    def _judge(
        self,
        found: Residual,
        config: RegistrationConfig,
        time: float,
        sizes: tuple[Size, Size],
        scale: float,
    ) -> RegistrationConfig | None:
        size, infrared_size = sizes
        displaced = (
            found.size >= DISPLACED
            and found.gain >= GAIN
            and found.evidence >= EVIDENCE
            and found.everywhere >= EVERYWHERE
        )
        displacement = Displacement.of(found, scale, size, config)
        fits = found.evidence >= EVIDENCE and found.size < DISPLACED
        surely = fits and found.evidence >= SURE and self._looks >= START
        self._fitted = self._fitted or surely
        if self._fitted:
            self._verdict = ""
        if not displaced or self._verdict:
            self._since = None
            self._tell(self._verdict, displacement if fits else None)
            return None
        self._since = time if self._since is None else self._since
        if time - self._since < PATIENCE:
            self._tell("")
            return None
        if config.follow:
            better = corrected(config, displacement, size, infrared_size)
            self.corrections += 1
            _log.warning("infrared lay %s beside the visible image: corrected", displacement)
            self.reset()
            self._tell("")
            return better
        self._tell(_moved(displacement, config, self._fitted), displacement)
        return None

    def _asking(
        self,
        visible: UInt8Array,
        infrared: RawInfrared,
        config: RegistrationConfig,
        edges: FloatArray,
    ) -> Iterator[None]:
        """Find out what is wrong with images that have never fitted so far."""
        if self._fitted or self._looks <= START:
            return
        if self._suspects is None:
            self._suspects = Suspects(config)
        if self._suspects.done:
            return
        yield from self._suspects.trying(visible, infrared, edges)
        if self._suspects.done:
            self._verdict = self._suspects.verdict()

    def _tell(self, problem: str, displacement: Displacement | None = None) -> None:
        self.state = RigState(problem, displacement, self.corrections, self._looks)


def _plain_mistake(config: RegistrationConfig, seen: float) -> str:
    """What is wrong with a registration whatever the images show; empty if nothing is."""
    transform = config.transform
    if isinstance(transform, CameraRig):
        baseline = transform.baseline
        if baseline > LONGEST_BASELINE:
            return (
                f"the cameras are {baseline:.4g} m apart as the pose between them says: it must "
                "be in meters"
            )
    if not seen:
        return (
            "infrared sees no pixel of the visible image with this registration: its matrix or "
            "pose may be inverted, or the cameras look at different things"
        )
    return ""


def _moved(displacement: Displacement, config: RegistrationConfig, fitted: bool) -> str:
    by = f"infrared lies {displacement} beside the visible image"
    if fitted:
        return (
            f"{by} all over since a while: the rig was moved, or all in view is nearer than "
            "before; calibrate again, or set registration.follow"
        )
    if isinstance(config.transform, CameraRig):
        return (
            f"{by} all over: the calibration is not of this rig, or registration.distance "
            f"({config.distance:g} m) is not that of the scene"
        )
    return (
        f"{by} all over: the registration does not fit this rig; calibrate again, or set "
        "registration.follow"
    )
