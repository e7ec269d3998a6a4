"""A page about a detection study: numbers, and the pictures that fusion changed most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.average_precision import WORKING_SCORE
from lut_fuse_core.evaluation.detection.detector import Detections
from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.evaluation.detection.study import DetectionStudy, DetectorStudy
from lut_fuse_core.evaluation.detection.tables import ranges
from lut_fuse_core.evaluation.evaluate import FuseFiles, file_normalizer, load_pair
from lut_fuse_core.evaluation.figures import percent
from lut_fuse_core.evaluation.image_kinds import CAMERAS
from lut_fuse_core.evaluation.report.document import html_document
from lut_fuse_core.evaluation.report.page import Subject
from lut_fuse_core.evaluation.report.pictures import data_address

SHOWN_PAIRS = 3
"""How many pictures are shown of those that gained, and of those that lost."""

FOUND, MISSED, WRONG = (64, 200, 96), (255, 72, 72), (255, 190, 40)
"""Colors of boxes, RGB: objects that are found or missed, detections that are no object."""


def render_detection_page(
    study: DetectionStudy, subject: Subject, kinds: Mapping[str, FuseFiles]
) -> str:
    """The whole page as one HTML text.

    Args:
        study: What was measured.
        subject: What of, for the heading.
        kinds: What was measured on; the pictures that are shown are made again.
    """
    sections = [
        f"<h1>What detectors find on {escape(subject.dataset)}</h1>"
        f'<p class="soft">{len(study.pairs)} labeled pairs · fused by {escape(subject.method)}</p>',
        *(_detector(d, study.heights) for d in study.detectors),
        _legend(),
        *(_extremes(d, study, kinds) for d in study.detectors),
        "<footer>Average precision by pycocotools; AP50 counts boxes that overlap an object by a "
        "half or more, AP50:95 is the mean over overlaps from 0.50 to 0.95. The interval holds "
        "95 % of the figures from pictures drawn at random, with repeats. lut-fuse "
        f"{escape(subject.version)}</footer>",
    ]
    return html_document(f"Detection: {subject.dataset}", sections, sortable=True)


def _detector(detector: DetectorStudy, heights: Sequence[float]) -> str:
    names = ranges(heights)
    heads = "".join(
        f"<th>{head}</th>"
        for head in ("", "AP50", "95 %", "AP50:95", "precision", "recall", *names)
    )
    parts = [f"<h2>{escape(detector.name)}</h2>"]
    for name in detector.classes:
        rows = []
        for kind, results in detector.results.items():
            result, (low, high) = results[name], detector.intervals[kind][name]
            cells = (
                *(
                    percent(result.ap50),
                    f"{percent(low)} to {percent(high)}",
                    percent(result.ap50_95),
                ),
                *(
                    percent(result.precision),
                    percent(result.recall),
                    *map(percent, result.by_height),
                ),
            )
            style = ' class="fused"' if kind == "fused" else ""
            rows.append(
                f'<tr><td class="name">{escape(kind)}</td>'
                + "".join(f"<td{style}>{cell}</td>" for cell in cells)
                + "</tr>"
            )
        gain, low, high = detector.gains[name]
        verdict = (
            f"Fused, AP50 is {abs(gain):.1f} {'above' if gain >= 0 else 'below'} the better "
            f"camera's (95 %: {low:+.1f} to {high:+.1f})."
            if math.isfinite(gain)
            else "There is no object to find."
        )
        objects = next(iter(detector.results.values()))[name].objects
        parts.append(
            f"<h3>{objects} objects of class {escape(name)}</h3><p>{verdict}</p>"
            f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>'
            f"{''.join(rows)}</tbody></table></div>"
        )
    return "".join(parts)


def _legend() -> str:
    keys = "".join(
        f'<span class="key" style="background: rgb{color}"></span>{text} &nbsp; '
        for color, text in (
            (FOUND, "object, found"),
            (MISSED, "object, missed"),
            (WRONG, "detection that is no object"),
        )
    )
    return (
        "<h2>Pictures</h2><p>Where the detector finds more, or fewer, objects on the fused image "
        "than on the better camera for this picture, with the wrong detections added or saved; "
        f"detections from a score of {WORKING_SCORE:g} on.</p><p>{keys}</p>"
    )


def _change(detector: DetectorStudy, picture: int) -> tuple[int, int]:
    """Objects found more on the fused image than on the better camera, and wrong detections saved.

    The better camera for a picture is the one with more objects found, then fewer wrong.
    """

    def worth(kind: str) -> tuple[int, int]:
        objects, right = detector.assessments[kind].found(picture)
        return sum(objects), sum(right) - len(right)

    found, saved = worth("fused")
    camera_found, camera_saved = max(map(worth, CAMERAS))
    return found - camera_found, saved - camera_saved


def _extremes(
    detector: DetectorStudy, study: DetectionStudy, kinds: Mapping[str, FuseFiles]
) -> str:
    changes = {picture: _change(detector, picture) for picture in range(len(study.pairs))}
    order = sorted(changes, key=lambda picture: changes[picture], reverse=True)
    gained = [picture for picture in order[:SHOWN_PAIRS] if changes[picture] > (0, 0)]
    lost = [picture for picture in order[::-1][:SHOWN_PAIRS] if changes[picture] < (0, 0)]
    parts = []
    for title, chosen in (("gained", gained), ("lost", lost)):
        parts.append(f"<h2>{escape(detector.name)}: {title} most</h2>")
        parts += [_figure(detector, p, changes[p], study, kinds) for p in chosen] or ["<p>-</p>"]
    return "".join(parts)


def _figure(
    detector: DetectorStudy,
    picture: int,
    change: tuple[int, int],
    study: DetectionStudy,
    kinds: Mapping[str, FuseFiles],
) -> str:
    files, labels = study.pairs[picture], study.labels[picture]
    try:
        visible, infrared = load_pair(files, file_normalizer())
        images = {kind: kinds[kind](files, visible, infrared) for kind in (*CAMERAS, "fused")}
    except InputError as error:
        return f"<p>{escape(files.name)} has become unreadable: {escape(str(error))}</p>"
    counted = [b for b in labels if b.name in detector.classes and b.height >= study.heights[0]]
    cells = "".join(
        f'<div><img alt="{kind}" src="'
        f'{data_address(draw_boxes(image, counted, detector.found[kind][picture]))}">'
        f"<small>{kind}</small></div>"
        for kind, image in images.items()
    )
    return (
        f'<figure><figcaption><b>{escape(files.name)}</b><span class="soft">'
        f"{change[0]:+d} found, {-change[1]:+d} wrong</span></figcaption>"
        f'<div class="three">{cells}</div></figure>'
    )


def draw_boxes(
    image: UInt8Array, labels: Sequence[LabeledBox], detections: Detections
) -> UInt8Array:
    """Objects and wrong detections on a copy of an image, in the colors of the legend.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        labels: Objects that count.
        detections: What was found.

    Returns:
        The image at twice its size, so that the boxes of small objects can be told apart.
    """
    scale = 2
    size = (scale * image.shape[1], scale * image.shape[0])
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    free = list(labels)
    order = np.argsort(-detections.scores, kind="stable")
    for index in order[detections.scores[order] >= WORKING_SCORE]:
        box, name = detections.boxes[index], detections.names[index]
        rivals = [label for label in free if label.name == name and _overlap(label, box) >= 0.5]
        if rivals:
            label = max(rivals, key=lambda rival: _overlap(rival, box))
            free.remove(label)
            _draw(canvas, label[1:5], FOUND, scale)
        else:
            _draw(canvas, box, WRONG, scale)
    for label in free:
        _draw(canvas, label[1:5], MISSED, scale)
    return canvas


def _draw(
    canvas: UInt8Array, box: Sequence[float], color: tuple[int, int, int], scale: int
) -> None:
    x0, y0, x1, y1 = (round(float(value) * scale) for value in box)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), color, 2, cv2.LINE_AA)


def _overlap(label: LabeledBox, box: Sequence[float]) -> float:
    """Intersection over union."""
    x0, y0, x1, y1 = (float(value) for value in box)
    width = max(min(label.x1, x1) - max(label.x0, x0), 0.0)
    height = max(min(label.y1, y1) - max(label.y0, y0), 0.0)
    shared = width * height
    areas = (x1 - x0) * (y1 - y0) + (label.x1 - label.x0) * (label.y1 - label.y0)
    return shared / max(areas - shared, 1e-9)
