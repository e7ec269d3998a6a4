"""Tables of metrics as the paper prints them, measured on a folder of pairs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lut_fuse_core import Fuser
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.metrics import PairEvaluator
from lut_fuse_core.io.dataset import find_dataset, images_by_name, read_visible

from ..data.batches import whole_images
from ..data.pairs import NO_PARTNER, Pair, load_pair
from ..images import to_gray_image
from ..networks.teachers import TeacherSource
from ..run.validate import Scores

PAPER_METRICS = ("MI", "EN", "CC", "SSIM", "Qabf")

FusePair = Callable[[Pair], UInt8Array]
"""Pair to its fused image, ``(H, W, 3)`` RGB or ``(H, W)`` luma, uint8."""


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        labels: One text per label column: what was measured.
        scores: Its mean metrics.
    """

    labels: tuple[str, ...]
    scores: Scores


@dataclass(frozen=True)
class Table:
    """Lines under label columns and metrics, by default the paper's.

    Attributes:
        title: Above the table.
        columns: Headings of the label columns.
        rows: The lines.
        notes: What the labels mean.
        metrics: Which scores are shown.
        digits: After the decimal point.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = PAPER_METRICS
    digits: int = 3

    def as_text(self) -> str:
        """Aligned columns for the terminal."""
        cells = self._cells()
        widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([self.title, *(line.rstrip() for line in lines), *self.notes])

    def as_markdown(self) -> str:
        """A Markdown table, the best of each metric in bold."""
        head, *body = self._cells(bold=True)
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
        return "\n".join([f"**{self.title}**", "", *lines, "", *self.notes])

    def as_json(self) -> str:
        """All numbers, for programs."""
        rows = [
            {**dict(zip(self.columns, row.labels, strict=True)), **row.scores} for row in self.rows
        ]
        return json.dumps({"title": self.title, "rows": rows, "notes": self.notes}, indent=1)

    def _cells(self, bold: bool = False) -> list[list[str]]:
        best = {name: max(row.scores[name] for row in self.rows) for name in self.metrics}
        cells = [[*self.columns, *self.metrics]]
        for row in self.rows:
            numbers = []
            for name in self.metrics:
                number = f"{row.scores[name]:.{self.digits}f}"
                numbers.append(
                    f"**{number}**" if bold and row.scores[name] == best[name] else number
                )
            cells.append([*row.labels, *numbers])
        return cells

    def show(self, form: str) -> str:
        """As ``text``, ``markdown`` or ``json``."""
        return {"text": self.as_text, "markdown": self.as_markdown, "json": self.as_json}[form]()


def measure(
    methods: Sequence[tuple[tuple[str, ...], FusePair]], folder: Path, quiet: bool = False
) -> list[Row]:
    """Mean metrics of several methods on all usable pairs of a folder, read once.

    Args:
        methods: Labels and the function that fuses.
        folder: Of the pairs.
        quiet: Whether to leave out the progress bar.

    Raises:
        InputError: If no pair can be measured.
    """
    dataset = find_dataset(folder)
    for name in dataset.unmatched:
        print(f"left out {name}: {NO_PARTNER}", file=sys.stderr)
    collected: list[list[Scores]] = [[] for _ in methods]
    for files in tqdm(dataset.pairs, "measuring", unit="pair", disable=quiet, leave=False):
        try:
            pair = load_pair(files)
            evaluator = PairEvaluator(pair.visible, pair.infrared)
            rows = [evaluator.evaluate(fuse(pair)) for _, fuse in methods]
        except InputError as error:
            tqdm.write(f"left out {files.name}: {error}", file=sys.stderr)
            continue
        for scores, row in zip(collected, rows, strict=True):
            scores.append(row)
    if not collected or not collected[0]:
        raise InputError(f"{folder} has no pair that could be measured")
    return [
        Row(labels, {name: float(np.mean([s[name] for s in scores])) for name in scores[0]})
        for (labels, _), scores in zip(methods, collected, strict=True)
    ]


def by_model(path: Path) -> FusePair:
    """A model file as a method."""
    fuser = Fuser(path)
    return lambda pair: fuser.fuse(pair.visible, pair.infrared)


def by_teacher(source: TeacherSource, device: str) -> FusePair:
    """A teacher as a method: its network, or its folder of images."""
    network = source.network
    if network is not None:

        @torch.no_grad()
        def fuse(pair: Pair) -> UInt8Array:
            return to_gray_image(network(*whole_images(pair, device)))

        return fuse
    assert source.folder is not None
    files = images_by_name(source.folder)

    def read(pair: Pair) -> UInt8Array:
        if pair.name not in files:
            raise InputError(f"no image of that name in {source.folder}")
        return read_visible(files[pair.name])

    return read
