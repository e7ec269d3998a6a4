"""COCO data sets: images of each kind, and a JSON file of annotations for each part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.export.examples import Example, ImageSettings


def write_coco(
    folder: Path, examples: Iterable[Example], images: ImageSettings, classes: Sequence[str]
) -> None:
    """Write ``KIND/PART/NAME`` and ``annotations/PART.json``, which is valid for every kind.

    Args:
        folder: Folder to write to, empty.
        examples: The frames.
        images: Which images are written, and how.
        classes: Classes of the labels; their categories are numbered from 1.

    Raises:
        OSError: If a file cannot be written.
    """
    parts: dict[str, _Part] = {}
    for part, frame, boxes in examples:
        file = f"{frame.name}{images.suffix}"
        for kind in images.kinds:
            target = folder / kind / part / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(images.encoded(frame, kind))
        height, width = frame.fused.shape[:2]
        image = {
            "file_name": file,
            "width": width,
            "height": height,
            "recording": frame.recording,
            "time": frame.time,
        }
        parts.setdefault(part, _Part(classes)).add(image, boxes or ())
    (folder / "annotations").mkdir(exist_ok=True)
    for name, content in parts.items():
        text = json.dumps(content.document(), indent=1)
        (folder / "annotations" / f"{name}.json").write_text(text, encoding="utf-8")


@dataclass
class _Part:
    """Content of the annotation file of a part."""

    classes: Sequence[str]
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, image: dict[str, Any], boxes: Iterable[LabeledBox]) -> None:
        number = len(self.images) + 1
        self.images.append({"id": number, **image})
        for box in boxes:
            width, height = box.x1 - box.x0, box.y1 - box.y0
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": number,
                    "category_id": self.classes.index(box.name) + 1,
                    "bbox": [box.x0, box.y0, width, height],
                    "area": width * height,
                    "iscrowd": int(box.crowd),
                }
            )

    def document(self) -> dict[str, Any]:
        return {
            "info": {"description": "fused by lut-fuse"},
            "images": self.images,
            "annotations": self.annotations,
            "categories": [
                {"id": number, "name": name} for number, name in enumerate(self.classes, 1)
            ],
        }
