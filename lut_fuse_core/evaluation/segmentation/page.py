"""A page about a segmentation study: numbers, and the pictures that fusion changed most."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import FuseFiles, file_normalizer, load_pair
from lut_fuse_core.evaluation.figures import percent
from lut_fuse_core.evaluation.image_kinds import CAMERAS
from lut_fuse_core.evaluation.report.document import html_document
from lut_fuse_core.evaluation.report.page import Subject
from lut_fuse_core.evaluation.report.pictures import data_address
from lut_fuse_core.evaluation.segmentation.classes import OTHER
from lut_fuse_core.evaluation.segmentation.label_maps import read_label_map
from lut_fuse_core.evaluation.segmentation.segmenter import Segmenter
from lut_fuse_core.evaluation.segmentation.study import SegmentationStudy, SegmenterStudy

SHOWN_PAIRS = 3
"""How many pictures are shown of those that gained, and of those that lost."""

COLORS = (
    *((64, 96, 255), (255, 72, 72), (190, 90, 255), (64, 200, 96), (255, 190, 40)),
    *((80, 220, 220), (255, 120, 200), (170, 130, 70)),
)
"""Of classes from number 1 on, RGB, again and again; number 0 has none."""

OPACITY = 0.55


def render_segmentation_page(
    study: SegmentationStudy,
    subject: Subject,
    kinds: Mapping[str, FuseFiles],
    segmenters: Mapping[str, Segmenter],
    maps: Mapping[str, Path],
    classes: tuple[str, ...],
) -> str:
    """The whole page as one HTML text.

    Args:
        study: What was measured.
        subject: What of, for the heading.
        kinds: What was measured on; the pictures that are shown are made again.
        segmenters: Their names to the segmenters, which see these again.
        maps: Names of pairs to their label maps.
        classes: Names of the labels' classes, by number.
    """
    sections = [
        f"<h1>What segmenters see on {escape(subject.dataset)}</h1>"
        f'<p class="soft">{len(study.pairs)} labeled pairs · fused by {escape(subject.method)}</p>',
        *map(_table, study.segmenters),
        _legend(classes),
        *(_extremes(s, study, kinds, segmenters[s.name], maps, classes) for s in study.segmenters),
        "<footer>Intersection over union over all pictures. The interval holds 95 % of the means "
        f"from pictures drawn at random, with repeats. lut-fuse {escape(subject.version)}</footer>",
    ]
    return html_document(f"Segmentation: {subject.dataset}", sections, sortable=True)


def _table(segmenter: SegmenterStudy) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in ("", *segmenter.classes, "mean", "95 %"))
    rows = []
    for kind, iou in segmenter.iou.items():
        low, high = segmenter.intervals[kind]
        style = ' class="fused"' if kind == "fused" else ""
        cells = (*map(percent, iou), percent(segmenter.mean[kind]), f"{low:.1f} to {high:.1f}")
        rows.append(
            f'<tr><td class="name">{escape(kind)}</td>'
            + "".join(f"<td{style}>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    gain, low, high = segmenter.gain
    return (
        f"<h2>{escape(segmenter.name)}</h2><p>Fused, the mean is {abs(gain):.1f} "
        f"{'above' if gain >= 0 else 'below'} the better camera's (95 %: {low:+.1f} to "
        f'{high:+.1f}).</p><div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></div>"
    )


def _legend(classes: tuple[str, ...]) -> str:
    keys = "".join(
        f'<span class="key" style="background: rgb{_color(number)}"></span>{escape(name)} &nbsp; '
        for number, name in enumerate(classes)
        if number
    )
    return (
        "<h2>Pictures</h2><p>Where the segmenter sees more, or less, on the fused image than on "
        f"the better camera for this picture: mean over the classes in it.</p><p>{keys}</p>"
    )


def _extremes(
    segmenter: SegmenterStudy,
    study: SegmentationStudy,
    kinds: Mapping[str, FuseFiles],
    runner: Segmenter,
    maps: Mapping[str, Path],
    classes: tuple[str, ...],
) -> str:
    cameras = np.array([segmenter.by_picture[camera] for camera in CAMERAS])
    change = np.array(segmenter.by_picture["fused"]) - cameras.max(axis=0)
    order = np.argsort(-change, kind="stable")
    gained = [k for k in order[:SHOWN_PAIRS] if change[k] > 0]
    lost = [k for k in order[::-1][:SHOWN_PAIRS] if change[k] < 0]
    parts = []
    for title, chosen in (("gained", gained), ("lost", lost)):
        parts.append(f"<h2>{escape(segmenter.name)}: {title} most</h2>")
        parts += [
            _figure(study, int(k), float(change[k]), kinds, runner, maps, classes) for k in chosen
        ] or ["<p>-</p>"]
    return "".join(parts)


def _figure(
    study: SegmentationStudy,
    picture: int,
    change: float,
    kinds: Mapping[str, FuseFiles],
    runner: Segmenter,
    maps: Mapping[str, Path],
    classes: tuple[str, ...],
) -> str:
    files = study.pairs[picture]
    try:
        visible, infrared = load_pair(files, file_normalizer())
        images = {kind: kinds[kind](files, visible, infrared) for kind in (*CAMERAS, "fused")}
        size = (visible.shape[1], visible.shape[0])
        truth = read_label_map(maps[files.name], size, len(classes))
    except InputError as error:
        return f"<p>{escape(files.name)} has become unreadable: {escape(str(error))}</p>"
    shown = {kind: overlay(image, runner.segment(image)) for kind, image in images.items()}
    shown["labels, on fused"] = overlay(images["fused"], truth)
    cells = "".join(
        f'<div><img alt="{kind}" src="{data_address(image)}"><small>{kind}</small></div>'
        for kind, image in shown.items()
    )
    return (
        f'<figure><figcaption><b>{escape(files.name)}</b><span class="soft">mean IoU '
        f'{change:+.1f}</span></figcaption><div class="three">{cells}</div></figure>'
    )


def overlay(image: UInt8Array, numbers: UInt8Array) -> UInt8Array:
    """A map's classes in color on an image.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        numbers: ``(H, W) uint8``; class 0 and `OTHER` get no color.
    """
    table = np.zeros((256, 3), np.uint8)
    table[1:OTHER] = [_color(number) for number in range(1, OTHER)]
    colored = table[numbers]
    mixed = cv2.addWeighted(image, 1 - OPACITY, colored, OPACITY, 0).astype(np.uint8, copy=False)
    plain = (numbers == 0) | (numbers == OTHER)
    return np.where(plain[..., None], image, mixed)


def _color(number: int) -> tuple[int, int, int]:
    return COLORS[(number - 1) % len(COLORS)]
