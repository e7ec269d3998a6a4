"""The layouts of label files: COCO, a map of names to boxes, and YOLO's text files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.labels import LabeledBox, Labels

NAME_FILES = ("classes.txt", "obj.names", "data.yaml", "dataset.yaml")
"""Where the names of YOLO's class numbers are, beside the labels or up to two folders above."""

LAYOUTS = (
    "a COCO file, a JSON object of pair names with their 'boxes', or a folder of YOLO text files"
)


def read_labels(path: str | Path) -> Labels:
    """Read labels in any of three layouts.

    Args:
        path: A COCO JSON file (``images``, ``annotations``, ``categories``), a JSON file that
            maps each pair's name to ``{"boxes": [{"class": ..., "box": [x0, y0, x1, y1]}]}``, or
            a folder of YOLO text files with ``classes.txt`` or ``data.yaml`` in it or above it.

    Raises:
        InputError: If it is none of these, or a box in it is damaged.
    """
    source = Path(path)
    if source.is_dir():
        return _read_folder(source)
    if not source.is_file():
        raise InputError(f"there is no label file or folder {source}")
    return _read_json(source)


def _read_json(path: Path) -> Labels:
    """A COCO file or a map of names to boxes."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a readable JSON file: {error}") from None
    try:
        if isinstance(content, dict) and "annotations" in content:
            return _coco(content)
        if isinstance(content, dict) and content and all(map(_holds_boxes, content.values())):
            return _by_name(content)
    except _DamagedBoxError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged or in a layout that is not known ({type(error).__name__}: "
            f"{error}); labels are {LAYOUTS}"
        ) from None
    raise InputError(f"{path} holds no labels; they are {LAYOUTS}")


def _read_folder(folder: Path) -> Labels:
    """YOLO's layout: a text file per picture, a line per object."""
    files = sorted(path for path in folder.glob("*.txt") if path.name not in NAME_FILES)
    if not files:
        raise InputError(f"{folder} holds no YOLO label files (*.txt)")
    names = _class_names(folder)
    return Labels({path.stem: _yolo(path, names) for path in files}, relative=True)


class _DamagedBoxError(ValueError):
    """A box that is none."""


def _holds_boxes(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("boxes"), list)


def _by_name(content: Mapping[str, Any]) -> Labels:
    return Labels(
        {
            name: tuple(_checked(box["class"], box["box"], name) for box in entry["boxes"])
            for name, entry in content.items()
        }
    )


def _coco(content: Mapping[str, Any]) -> Labels:
    classes = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
    names = {entry["id"]: Path(entry["file_name"]).stem for entry in content["images"]}
    boxes: dict[str, list[LabeledBox]] = {name: [] for name in names.values()}
    for entry in content["annotations"]:
        if entry["image_id"] not in names:
            raise _DamagedBoxError(
                f"annotation {entry.get('id')} is of image {entry['image_id']}, which is not "
                "among its images"
            )
        if entry["category_id"] not in classes:
            raise _DamagedBoxError(
                f"annotation {entry.get('id')} is of category {entry['category_id']}, which is "
                "not among its categories"
            )
        name = names[entry["image_id"]]
        x, y, width, height = entry["bbox"]
        box = _checked(classes[entry["category_id"]], (x, y, x + width, y + height), name)
        boxes[name].append(box._replace(crowd=bool(entry.get("iscrowd", 0))))
    return Labels({name: tuple(found) for name, found in boxes.items()})


def _yolo(path: Path, names: Sequence[str]) -> tuple[LabeledBox, ...]:
    boxes = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        place = f"line {number} of {path}"
        words = line.split()
        try:
            index, (x, y, width, height) = int(words[0]), map(float, words[1:5])
        except ValueError:
            raise InputError(
                f"{place} is not 'class x y width height' as YOLO writes it: '{line.strip()[:60]}'"
            ) from None
        if not 0 <= index < len(names):
            raise InputError(f"{place} is of class {index}, but there are only {len(names)} names")
        if max(x, y, width, height) > 1 + 1e-6:
            raise InputError(f"{place} has a box beyond 1; YOLO's boxes are shares of the picture")
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        try:
            boxes.append(_checked(names[index], corners, path.stem))
        except _DamagedBoxError as error:
            raise InputError(f"{place}: {error}") from None
    return tuple(boxes)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"cannot read {path}: {reason}") from None


def _checked(name: object, corners: Sequence[Any], picture: str) -> LabeledBox:
    x0, y0, x1, y1 = (float(value) for value in corners)
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x0 >= x1 or y0 >= y1:
        raise _DamagedBoxError(f"a box of class '{name}' in {picture} is empty: {list(corners)}")
    return LabeledBox(str(name), x0, y0, x1, y1)


def _class_names(folder: Path) -> list[str]:
    resolved = folder.absolute()
    for place in (resolved, *resolved.parents[:2]):
        for name in NAME_FILES:
            path = place / name
            if path.is_file():
                return _names_in(path)
    raise InputError(
        f"the names of the classes are missing: put classes.txt, a name per line, or YOLO's "
        f"data.yaml into {folder} or the folder above"
    )


def _names_in(path: Path) -> list[str]:
    text = _text(path)
    if path.suffix != ".yaml":
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        names = yaml.safe_load(text)["names"]
        return [str(n) for n in (names.values() if isinstance(names, dict) else names)]
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} holds no list 'names' of classes: {error}") from None
