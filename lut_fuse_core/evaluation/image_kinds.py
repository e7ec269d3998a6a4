"""The kinds of images that are compared: either camera's, the baselines, fused ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import FuseFiles
from lut_fuse_core.evaluation.metrics import BASELINES
from lut_fuse_core.io.dataset import PairFiles
from lut_fuse_core.model.features import luma, replace_luma

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
        InputError: It has another size than the pair, so that labels do not fit it.
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
        InputError: No label is of a pair.
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
