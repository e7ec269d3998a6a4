"""What may be wrong with a rig whose images never fit: each is tried, and the best one named."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np

from lut_fuse_core.arrays import FloatArray, RawInfrared, Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.camera import as_rows
from lut_fuse_core.registration.correlation import correlation, spectrum
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig
from lut_fuse_core.registration.watch.correction import homography_of
from lut_fuse_core.registration.watch.small_pair import WIDTH, Shrinker, SmallPair, fits

ZOOMS = (0.5, 0.56, 0.63, 0.71, 0.79, 0.89, 1.12, 1.26, 1.41, 1.59, 1.78, 2.0)
"""Sizes of the infrared image against what the registration says."""

BETWEEN = 1.06
"""Ratio to the best of `ZOOMS` of the sizes that are tried beside it, half of their step.

A mismatch of 6 % takes so much likeness at the border of the image that other places compete."""

REACH = 0.3
"""Share of the image by which a suspect may be shifted."""

LEAST_SCORE = 5.5
"""Standard deviations by which a place must stand out of all others."""

LEAST_LEAD = 1.25
"""Ratio by which a suspect must beat the registration as it is, wherever that is shifted to."""

AS_GOOD = 0.9
"""Share of its score at which a suspect counts that puts infrared in place where the registration
does not."""

ROUNDS = 3
"""Pairs that every suspect is tried on."""

NOTHING = 3.7
"""Score of a registration below which nothing in the images fits; chance reaches 3 to 5."""

FAR = 7
"""Pixels of the small grid from which on a shift is beyond what `Tiles` see."""

UNFITTING = (
    "the images fit nowhere near where the registration puts infrared, nor mirrored, rotated or of "
    "another size: check that the topics are of two cameras of this rig, and not swapped"
)

Rotate = Callable[[RawInfrared], RawInfrared]
Change = Callable[[RegistrationConfig, Size, Size], RegistrationConfig]


@dataclass(frozen=True)
class Suspect:
    """Something that may be wrong.

    Attributes:
        sentence: Names it, and the way out.
        image: Undoes it in the infrared image.
        registration: Undoes it in the registration.
        zoom: Size of the infrared image that it supposes, as a ratio.
        in_place: Whether it is told by where the images fit, however well others do.
    """

    sentence: str
    image: Rotate | None = None
    registration: Change | None = None
    zoom: float = 1.0
    in_place: bool = False


class Suspects:
    """Tries everything that may be wrong on one pair after another.

    Args:
        config: The registration in use.
    """

    def __init__(self, config: RegistrationConfig) -> None:
        self._config = config
        self._suspects: list[Suspect] = []
        self._shrinkers: list[Shrinker] = []
        self._sums: list[FloatArray | None] = []
        self._turns: list[int] = []
        self._refined = False
        self._add([Suspect(""), *_suspects(config)])

    @property
    def done(self) -> bool:
        """Whether each was tried often enough."""
        return not self._turns

    def _add(self, suspects: list[Suspect]) -> None:
        known = len(self._suspects)
        self._suspects += suspects
        self._shrinkers += [Shrinker() for _ in suspects]
        self._sums += [None] * len(suspects)
        self._turns += [*range(known, len(self._suspects))] * ROUNDS

    def _refine(self) -> None:
        """Try the sizes between those tried so far, around the best of them."""
        self._refined = True
        scores = self._scores()
        zoomed = [index for index, each in enumerate(self._suspects) if each.zoom != 1.0]
        best = self._suspects[max(zoomed, key=scores.__getitem__)].zoom
        self._add([_of_size(best / BETWEEN), _of_size(best * BETWEEN)])

    def _scores(self) -> list[float]:
        return [0.0 if total is None else _score(total) for total in self._sums]

    def trying(
        self, visible: UInt8Array, infrared: RawInfrared, edges: FloatArray, count: int = 2
    ) -> Iterator[None]:
        """Try the next ones on a pair, in parts of about a millisecond.

        Args:
            visible: ``(H, W, 3) uint8``.
            infrared: ``(h, w)``, raw.
            edges: `SmallPair.visible` of the visible image.
            count: How many.

        Yields:
            Nothing, after each part.
        """
        for _ in range(min(count, len(self._turns))):
            index = self._turns.pop(0)
            suspect = self._suspects[index]
            image = infrared if suspect.image is None else suspect.image(infrared)
            image = cast(RawInfrared, np.ascontiguousarray(image))
            config = self._config
            if suspect.registration is not None:
                sizes = ((i.shape[1], i.shape[0]) for i in (image, visible))
                config = suspect.registration(config, *sizes)
            if not fits(config, image, visible):
                config = replace(config, transform=None)
            yield
            try:
                pair = yield from self._shrinkers[index].shrinking(visible, image, config, edges)
            except InputError:
                pair = None
            if pair is not None:
                yield
                surface, known = (yield from _likening(pair)), self._sums[index]
                self._sums[index] = surface if known is None else known + surface
            yield
        if not self._turns and not self._refined:
            self._refine()

    def verdict(self) -> str:
        """The sentence of the one that fits clearly better than what is set; empty if none does."""
        scores = self._scores()
        best = int(np.argmax(scores))
        if best and scores[best] > max(LEAST_SCORE, LEAST_LEAD * scores[0]):
            return self._suspects[best].sentence
        if scores[0] < NOTHING and scores[best] < LEAST_SCORE:
            return UNFITTING
        set_so = self._sums[0]
        if set_so is None or scores[0] < LEAST_SCORE:
            return ""
        displaced = max(np.abs(_shift(set_so))) > 1
        for index, (suspect, total) in enumerate(zip(self._suspects, self._sums, strict=True)):
            good = index == best or (suspect.in_place and scores[index] > AS_GOOD * scores[0])
            if good and displaced and total is not None and max(np.abs(_shift(total))) <= 1:
                return suspect.sentence
        return "" if best else _far_off(*_shift(set_so))


def _suspects(config: RegistrationConfig) -> Iterator[Suspect]:
    mirrored = "the infrared image is mirrored {}: switch that off in its driver"
    rotated = "the infrared image is rotated by {}: rotate it in its driver"
    yield Suspect(mirrored.format("left to right"), lambda image: image[:, ::-1])
    yield Suspect(mirrored.format("top to bottom"), lambda image: image[::-1])
    yield Suspect(rotated.format("180 degrees"), lambda image: image[::-1, ::-1])
    yield Suspect(rotated.format("90 degrees clockwise"), np.rot90)
    yield Suspect(rotated.format("90 degrees counterclockwise"), lambda image: np.rot90(image, -1))
    yield from map(_of_size, ZOOMS)
    if isinstance(config.transform, CameraRig):
        yield Suspect(
            "the pose between the cameras fits in the opposite direction: it must take points "
            "from the visible camera's frame to the infrared camera's",
            registration=_inverted,
            in_place=True,
        )


def _of_size(zoom: float) -> Suspect:
    return Suspect(
        f"the infrared image is about {zoom:.2g} times as large as the registration says "
        "(another lens, zoom or cropping): calibrate again",
        registration=partial(_zoomed, zoom=zoom),
        zoom=zoom,
    )


def _zoomed(
    config: RegistrationConfig, infrared_size: Size, visible_size: Size, zoom: float
) -> RegistrationConfig:
    """The registration of an infrared image that is larger about its center."""
    if isinstance(config.transform, CameraRig):
        camera = config.transform.infrared
        matrix = np.diag([zoom, zoom, 1.0]) @ camera.intrinsics
        matrix[:2, 2] = camera.intrinsics[:2, 2]
        larger = replace(camera, matrix=as_rows(matrix))
        return replace(config, transform=replace(config.transform, infrared=larger))
    known = homography_of(config, infrared_size, visible_size)
    x, y = ((side - 1) / 2 for side in infrared_size)
    about = np.array([[1 / zoom, 0, x - x / zoom], [0, 1 / zoom, y - y / zoom], [0, 0, 1]])
    matrix = known.between(infrared_size, visible_size) @ about
    return replace(config, transform=Homography.from_array(matrix, infrared_size, visible_size))


def _inverted(
    config: RegistrationConfig, infrared_size: Size, visible_size: Size
) -> RegistrationConfig:
    assert isinstance(config.transform, CameraRig)
    inverse = config.transform.infrared_from_visible.inverse()
    return replace(config, transform=replace(config.transform, infrared_from_visible=inverse))


def _likening(pair: SmallPair) -> Generator[None, None, FloatArray]:
    """How well the whole images fit at each shift of at most `REACH`, normalized by the overlap."""
    height, width = pair.visible.shape[:2]
    rows, columns = (
        np.arange(-int(REACH * side), int(REACH * side) + 1) for side in (height, width)
    )
    # Room for these shifts, so that none of them wraps around.
    shape = [cv2.getOptimalDFTSize(side + int(REACH * side)) for side in (height, width)]
    spectra = []
    for image in (pair.infrared, pair.visible):
        spectra.append([spectrum(plane, shape) for plane in np.moveaxis(image, 2, 0)])
        yield
    product = correlation([*zip(*spectra, strict=True)])
    part = product[np.ix_(rows % shape[0], columns % shape[1])]
    overlap = (height - np.abs(rows))[:, None] * (width - np.abs(columns))[None]
    energy = np.sqrt(np.square(pair.visible).sum() * np.square(pair.infrared).sum())
    # Chance correlation grows with the root of the area; this makes all overlaps comparable.
    even = part * np.sqrt(height * width / overlap)
    return np.asarray(even / max(float(energy), 1e-9), np.float32)


def _shift(total: FloatArray) -> tuple[int, int]:
    """Right and down to the best place, pixels of the small grid."""
    row, column = np.unravel_index(int(np.argmax(total)), total.shape)
    return int(column) - total.shape[1] // 2, int(row) - total.shape[0] // 2


def _far_off(right: int, down: int) -> str:
    """That the images fit only far beside where the registration puts infrared; empty if not so."""
    if max(abs(down), abs(right)) < FAR:
        return ""
    return (
        f"infrared lies about {100 * abs(right) / WIDTH:.0f} % of the image to the "
        f"{'right' if right > 0 else 'left'} and {100 * abs(down) / WIDTH:.0f} % "
        f"{'down' if down > 0 else 'up'} beside the visible image: the registration is not of this "
        "rig; calibrate again"
    )


def _score(total: FloatArray) -> float:
    """Standard deviations by which the best shift stands out."""
    return float((total.max() - total.mean()) / max(float(total.std()), 1e-9))
