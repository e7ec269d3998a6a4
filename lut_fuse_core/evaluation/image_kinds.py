"""The kinds of images that are compared: either camera's, the baselines, fused ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from lut_fuse_core.arrays import Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import FuseFiles, file_normalizer, load_pair
from lut_fuse_core.evaluation.metrics import BASELINES
from lut_fuse_core.io.dataset import PairFiles
from lut_fuse_core.model.features import luma, replace_luma

Progress = Callable[[Iterable[PairFiles]], Iterable[PairFiles]]
"""Passes pairs on, and shows how far it is."""

CAMERAS = ("visible", "infrared")
"""The kinds that a fused image has to beat."""


def image_kinds(methods: Mapping[str, FuseFiles]) -> dict[str, FuseFiles]:
    """Every kind of image by name: `CAMERAS`, the baselines, the methods under test.

    Args:
        methods: Name to what fuses a pair.

    Returns:
        Name to what makes the image ``(H, W, 3) uint8``, RGB, of a pair.
    """
    return {
        "visible": lambda _, visible, infrared: visible,
        "infrared": lambda _, visible, infrared: in_color(infrared),
        **{name: _by_rule(rule) for name, rule in BASELINES.items()},
        **{name: _colored(fuse) for name, fuse in methods.items()},
    }


def made(
    kind: str, make: FuseFiles, files: PairFiles, visible: UInt8Array, infrared: UInt8Array
) -> UInt8Array:
    """A pair's image of one kind ``(H, W, 3) uint8``, RGB.

    Raises:
        InputError: If it has another size than the pair, so that labels do not fit it.
    """
    image = make(files, visible, infrared)
    if image.shape[:2] != visible.shape[:2]:
        raise InputError(
            f"the '{kind}' image of {files.name} is {image.shape[1]}x{image.shape[0]}, its pair "
            f"{visible.shape[1]}x{visible.shape[0]}; labels fit images of the pair's size"
        )
    return image


def labeled_pairs(
    pairs: Sequence[PairFiles], labeled: Collection[str]
) -> tuple[list[PairFiles], tuple[str, ...]]:
    """The pairs that have labels, and the labels that have no pair.

    Args:
        pairs: All pairs of a data set.
        labeled: File stems of the pictures that have labels.

    Raises:
        InputError: If no label is of a pair.
    """
    names = {pair.name for pair in pairs}
    chosen = [pair for pair in pairs if pair.name in labeled]
    if not chosen:
        raise InputError(
            f"none of the {len(labeled)} labeled pictures ({next(iter(labeled))}, ...) is one of "
            f"the {len(pairs)} pairs ({pairs[0].name}, ...); labels belong to the pair with the "
            "same file name"
        )
    return chosen, tuple(sorted(set(labeled) - names))


def about_orphans(orphans: Sequence[str]) -> str:
    """The sentence for labels that have no pair, at least one."""
    shown = ", ".join(orphans[:3]) + (", ..." if len(orphans) > 3 else "")
    return f"{len(orphans)} labeled pictures have no pair of that name: {shown}"


class LabeledImages:
    """Walks over labeled pairs, and over every kind of image of each.

    Args:
        pairs: Pairs with labels, see `labeled_pairs`.
        kinds: Name to kind of image, see `image_kinds`.
        progress: Wraps the pairs, to show how far it is.

    Attributes:
        measured: The pairs that could be read so far.
        left_out: Those that could not, and why.
    """

    def __init__(
        self, pairs: Sequence[PairFiles], kinds: Mapping[str, FuseFiles], progress: Progress
    ) -> None:
        self._pairs, self._kinds, self._progress = pairs, kinds, progress
        self.measured: list[PairFiles] = []
        self.left_out: dict[str, str] = {}

    def __iter__(self) -> Iterator[tuple[PairFiles, Size, Iterator[tuple[str, UInt8Array]]]]:
        """Every pair that can be read, its width and height, and its images by kind.

        Raises:
            InputError: If a method has no image of a pair, or no pair can be read.
        """
        for files in self._progress(self._pairs):
            try:
                visible, infrared = load_pair(files, file_normalizer())
            except InputError as error:
                self.left_out[files.name] = str(error)
                continue
            images = (
                (kind, made(kind, make, files, visible, infrared))
                for kind, make in self._kinds.items()
            )
            yield files, (visible.shape[1], visible.shape[0]), images
            self.measured.append(files)
        if not self.measured:
            name, reason = next(iter(self.left_out.items()))
            raise InputError(
                f"none of the {len(self._pairs)} labeled pairs can be read; {name}: {reason}"
            )


def in_color(image: UInt8Array) -> UInt8Array:
    """A gray image ``(H, W) uint8`` as RGB; RGB as it is."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _colored(fuse: FuseFiles) -> FuseFiles:
    return lambda files, visible, infrared: in_color(fuse(files, visible, infrared))


def _by_rule(rule: Callable[[UInt8Array, UInt8Array], UInt8Array]) -> FuseFiles:
    def fuse(_: PairFiles, visible: UInt8Array, infrared: UInt8Array) -> UInt8Array:
        old = luma(visible)
        new = rule(np.rint(old).astype(np.uint8), infrared).astype(np.float32)
        return np.clip(np.rint(replace_luma(visible, old, new)), 0, 255).astype(np.uint8)

    return fuse
