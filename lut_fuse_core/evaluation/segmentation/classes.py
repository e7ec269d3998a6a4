"""The classes of label maps, and which of a segmenter's classes count as which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lut_fuse_core.errors import InputError

MFNET_CLASSES: tuple[str, ...] = (
    *("unlabeled", "car", "person", "bike", "curve", "car_stop", "guardrail", "color_cone"),
    "bump",
)
"""Of MFNet and MSRS, by the numbers in their label maps."""

CITYSCAPES_CLASSES: tuple[str, ...] = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train"),
    *("motorcycle", "bicycle"),
)
"""Of public segmenters with 19 classes."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "person": ("person", "rider", "pedestrian"),
    "car": ("car", "truck", "bus"),
    "bike": ("bike", "bicycle", "motorcycle"),
    "unlabeled": ("unlabeled", "unlabelled", "background", "unlabel"),
}
"""Class of the labels to names that segmenters have for it."""

OTHER = 255
"""Number that stands for all that is no measured class."""


def class_table(labeled: Sequence[str], segmented: Sequence[str]) -> npt.NDArray[np.uint8]:
    """For every class of a segmenter the number of the labels' class that it counts as.

    Args:
        labeled: Classes of the labels, by number.
        segmented: Classes of the segmenter, by number.

    Returns:
        ``(len(segmented),) uint8``; `OTHER` for a class that the labels do not have.

    Raises:
        InputError: If they have no class in common.
    """
    numbers = {
        name: number
        for number, label in enumerate(labeled)
        for name in SYNONYMS.get(label.lower(), (label.lower(),))
    }
    # A name of the labels goes before a synonym.
    numbers |= {label.lower(): number for number, label in enumerate(labeled)}
    table = np.array([numbers.get(name.lower(), OTHER) for name in segmented], np.uint8)
    if (table == OTHER).all():
        raise InputError(
            f"the segmenter knows none of the labels' classes ({', '.join(labeled)}), only "
            f"{', '.join(segmented)}; name its classes as the labels do with --segmenter-classes"
        )
    return table


def known_names(count: int, in_file: Sequence[str], given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of a segmenter's classes: given, from its file, or those of MFNet or Cityscapes.

    Raises:
        InputError: If there are more or fewer names than classes.
    """
    usual = {len(names): names for names in (MFNET_CLASSES, CITYSCAPES_CLASSES)}
    names = tuple(given or in_file or usual.get(count, ()))
    if len(names) != count:
        raise InputError(
            f"the segmenter has {count} classes, but {len(names)} names are known; give a text "
            "file with a name per line as --segmenter-classes"
        )
    return names
