"""Labeled boxes of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lut_fuse_core.arrays import Size
from lut_fuse_core.errors import InputError

MAX_OVERHANG = 0.05
"""Share of the picture's side by which a box may reach beyond it; annotators' boxes do a little."""


class LabeledBox(NamedTuple):
    """An object: its class and its box in pixels of the registered pair.

    Attributes:
        name: Class.
        x0: Left edge.
        y0: Top edge.
        x1: Right edge.
        y1: Bottom edge.
        crowd: Whether it stands for several objects: finding it is neither right nor wrong.
    """

    name: str
    x0: float
    y0: float
    x1: float
    y1: float
    crowd: bool = False

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y1 - self.y0


@dataclass(frozen=True)
class Labels:
    """The boxes of a data set.

    Attributes:
        boxes: File stem of a pair to its objects; an empty tuple says that there are none.
        relative: Whether the boxes are shares of the picture's sides (0 to 1), not pixels.
    """

    boxes: Mapping[str, tuple[LabeledBox, ...]]
    relative: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes that occur, the most frequent first."""
        counts: dict[str, int] = {}
        for boxes in self.boxes.values():
            for box in boxes:
                counts[box.name] = counts.get(box.name, 0) + 1
        return tuple(sorted(counts, key=lambda name: (-counts[name], name)))

    def inside(self, name: str, size: Size) -> tuple[LabeledBox, ...]:
        """The boxes of a picture, in pixels, clipped to it.

        Args:
            name: File stem of the pair.
            size: Width and height of its pictures.

        Raises:
            InputError: If a box lies outside the picture, or reaches far beyond it.
        """
        scale = size if self.relative else (1, 1)
        return tuple(_cut_off(_scaled(box, scale), name, size) for box in self.boxes[name])

    def only(self, names: Iterable[str]) -> Labels:
        """The labels of these pairs."""
        return Labels({name: self.boxes[name] for name in names}, self.relative)


def _scaled(box: LabeledBox, scale: Size) -> LabeledBox:
    x, y = scale
    return box._replace(x0=box.x0 * x, y0=box.y0 * y, x1=box.x1 * x, y1=box.y1 * y)


def _cut_off(box: LabeledBox, name: str, size: Size) -> LabeledBox:
    width, height = size
    beyond = max(-box.x0 / width, -box.y0 / height, box.x1 / width - 1, box.y1 / height - 1)
    cut = box._replace(
        x0=max(box.x0, 0.0), y0=max(box.y0, 0.0), x1=min(box.x1, width), y1=min(box.y1, height)
    )
    if beyond > MAX_OVERHANG or not (cut.x0 < cut.x1 and cut.y0 < cut.y1):
        raise InputError(
            f"a box of class '{box.name}' in {name}, from ({box.x0:.0f}, {box.y0:.0f}) to "
            f"({box.x1:.0f}, {box.y1:.0f}), lies outside the picture of {width}x{height}; boxes "
            "are in pixels of the registered pair, so labels of an unregistered or resized "
            "infrared image do not fit"
        )
    return cut
