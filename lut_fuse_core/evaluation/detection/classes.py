"""Which classes of a detector count as which class of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lut_fuse_core.errors import InputError

COCO_CLASSES: tuple[str, ...] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)
"""The 80 classes of COCO detectors, in their order."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "people": ("person",),
    "pedestrian": ("person",),
    "bike": ("bicycle", "motorcycle"),
    "motorbike": ("motorcycle",),
    "vehicle": ("car", "bus", "truck"),
    "car": ("car", "bus", "truck"),
}
"""Names in FLIR's, M3FD's and LLVIP's labels, and the COCO classes that they mean.

A van in the labels of a car is a truck to a COCO detector; where the labels tell buses or trucks
from cars, those names are taken out of "car" again.
"""

ClassMap = dict[str, tuple[int, ...]]
"""Class of the labels to the numbers of the detector's classes that count as it."""


def class_map(
    labeled: Sequence[str], detected: Sequence[str], chosen: Mapping[str, Sequence[str]] | None
) -> ClassMap:
    """Match the classes of labels with those of a detector, by name in any case.

    Args:
        labeled: Classes that occur in the labels.
        detected: The detector's classes, in the order of its outputs.
        chosen: Classes to measure, each with the detector's names for it, or none to match by
            name and `SYNONYMS`; None for all classes that the detector knows.

    Raises:
        InputError: If a chosen class is unknown to the labels or the detector, or nothing matches.
    """
    numbers = {name.lower(): index for index, name in enumerate(detected)}
    if chosen is None:
        matched = {name: _matching(name, labeled, numbers) for name in labeled}
        found = {name: classes for name, classes in matched.items() if classes}
        if not found:
            raise InputError(
                f"the detector knows none of the classes in the labels ({', '.join(labeled)}); it "
                f"knows {_listed(detected)}; match them with --classes, such as "
                f"{labeled[0]}={detected[0]}"
            )
        return found
    return {
        name: _chosen(name, theirs, labeled, detected, numbers) for name, theirs in chosen.items()
    }


def chosen_classes(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What a user chose, for `class_map`: words such as ``person`` or ``car=car,van``."""
    chosen = {}
    for word in words:
        name, _, names = word.partition("=")
        chosen[name] = tuple(names.split(",")) if names else ()
    return chosen


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names of classes in order, from a text file with one per line.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _chosen(
    name: str,
    theirs: Sequence[str],
    labeled: Sequence[str],
    detected: Sequence[str],
    numbers: Mapping[str, int],
) -> tuple[int, ...]:
    if name not in labeled:
        raise InputError(
            f"--classes {name}: the labels have no such class, only {', '.join(labeled)}"
        )
    for their in theirs:
        if their.lower() not in numbers:
            raise InputError(
                f"--classes {name}={their}: the detector has no class '{their}'; it knows "
                f"{_listed(detected)}"
            )
    found = tuple(numbers[their.lower()] for their in theirs) or _matching(name, labeled, numbers)
    if not found:
        raise InputError(
            f"--classes {name}: the detector has no class of this name; say which of its classes "
            f"count as it, such as {name}={detected[0]}; it knows {_listed(detected)}"
        )
    return found


def _matching(name: str, labeled: Sequence[str], numbers: Mapping[str, int]) -> tuple[int, ...]:
    others = {other.lower() for other in labeled if other != name}
    names = SYNONYMS.get(name.lower(), (name.lower(),))
    return tuple(numbers[n] for n in names if n in numbers and n not in others)


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
