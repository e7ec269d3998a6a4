"""YOLO data sets: images, labels and ``data.yaml`` for Ultralytics, for each kind of image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.export.examples import Example, ImageSettings


def write_yolo(
    folder: Path, examples: Iterable[Example], images: ImageSettings, classes: Sequence[str]
) -> None:
    """Write ``KIND/images/PART/NAME``, ``KIND/labels/PART/NAME.txt`` and ``KIND/data.yaml``.

    Labels are repeated for every kind, since YOLO finds them by the paths of the images. Boxes of
    crowds are left out, since the layout cannot mark them.

    Args:
        folder: Folder to write to, empty.
        examples: The frames.
        images: Which images are written, and how.
        classes: Classes of the labels; they are numbered from 0.

    Raises:
        OSError: If a file cannot be written.
    """
    parts: list[str] = []
    for part, frame, boxes in examples:
        if part not in parts:
            parts.append(part)
        height, width = frame.fused.shape[:2]
        lines = [
            _line(box, classes.index(box.name), width, height)
            for box in boxes or ()
            if not box.crowd
        ]
        for kind in images.kinds:
            image = folder / kind / "images" / part / f"{frame.name}{images.suffix}"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(images.encoded(frame, kind))
            if boxes is not None:
                label = folder / kind / "labels" / part / f"{frame.name}.txt"
                label.parent.mkdir(parents=True, exist_ok=True)
                label.write_text("".join(lines), encoding="utf-8")
    for kind in images.kinds if parts else ():
        content = {
            **{part: f"images/{part}" for part in parts},
            "names": dict(enumerate(classes)),
        }
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (folder / kind / "data.yaml").write_text(text, encoding="utf-8")


def _line(box: LabeledBox, number: int, width: int, height: int) -> str:
    x, y = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
    return f"{number} {x:.6f} {y:.6f} {(box.x1 - box.x0) / width:.6f} {box.height / height:.6f}\n"
