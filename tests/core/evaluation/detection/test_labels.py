"""Label files: three layouts that say the same, and what is wrong in damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.labels import LabeledBox

SIZE = (200, 100)
BY_NAME = {"a": {"boxes": [{"class": "car", "box": [20, 10, 60, 30]}]}, "b": {"boxes": []}}
COCO = {
    "images": [{"id": 4, "file_name": "images/a.jpg"}, {"id": 5, "file_name": "b.jpg"}],
    "categories": [{"id": 3, "name": "car"}],
    "annotations": [{"id": 1, "image_id": 4, "category_id": 3, "bbox": [20, 10, 40, 20]}],
}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def yolo(folder: Path, line: str = "1 0.2 0.2 0.2 0.2\n") -> Path:
    labels = folder / "labels"
    labels.mkdir()
    (folder / "classes.txt").write_text("person\ncar\n")
    (labels / "a.txt").write_text(line)
    (labels / "b.txt").write_text("")
    return labels


def test_three_layouts_say_the_same(tmp_path: Path) -> None:
    for path in (
        write(tmp_path / "names.json", BY_NAME),
        write(tmp_path / "coco.json", COCO),
        yolo(tmp_path),
    ):
        labels = read_labels(path)
        assert labels.classes == ("car",)
        (box,) = labels.inside("a", SIZE)
        assert box.name == "car"
        assert box[1:5] == pytest.approx((20, 10, 60, 30))
        assert labels.inside("b", SIZE) == ()


def test_yolo_class_names_may_be_in_data_yaml(tmp_path: Path) -> None:
    labels = yolo(tmp_path)
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(InputError, match="names of the classes are missing"):
        read_labels(labels)
    (tmp_path / "data.yaml").write_text("names:\n  0: person\n  1: car\n")
    assert read_labels(labels).classes == ("car",)


def test_a_crowd_is_kept_as_such(tmp_path: Path) -> None:
    annotation = {**COCO["annotations"][0], "iscrowd": 1}  # type: ignore[dict-item]
    labels = read_labels(write(tmp_path / "c.json", {**COCO, "annotations": [annotation]}))
    assert labels.boxes["a"] == (LabeledBox("car", 20, 10, 60, 30, crowd=True),)


def test_boxes_a_little_beyond_the_picture_are_cut_off_and_others_refused(tmp_path: Path) -> None:
    def labels(x1: float) -> object:
        return {"a": {"boxes": [{"class": "car", "box": [20, 10, x1, 30]}]}}

    (box,) = read_labels(write(tmp_path / "l.json", labels(203))).inside("a", SIZE)
    assert box.x1 == 200
    with pytest.raises(InputError, match=r"class 'car' in a.*lies outside the picture of 200x100"):
        read_labels(write(tmp_path / "l.json", labels(260))).inside("a", SIZE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds no labels; they are a COCO file"),
        (
            {"a": {"boxes": [{"class": "car", "box": [60, 10, 20, 30]}]}},
            "class 'car' in a is empty",
        ),
        ({"a": {"boxes": [{"class": "car"}]}}, "damaged or in a layout that is not known"),
        ({**COCO, "images": []}, "is of image 4, which is not among its images"),
        ({**COCO, "categories": []}, "is of category 3, which is not among its categories"),
    ],
)
def test_damaged_label_files_are_refused_with_the_reason(
    content: object, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        read_labels(write(tmp_path / "l.json", content))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("7 0.2 0.2 0.2 0.2", "line 1 of .*a.txt is of class 7, but there are only 2 names"),
        ("1 20 20 40 20", "a box beyond 1"),
        ("1 0.2 0.2", "is not 'class x y width height'"),
        ("1 0.2 0.2 0 0.2", "line 1 of .*is empty"),
    ],
)
def test_damaged_yolo_lines_are_named(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_labels(yolo(tmp_path, line))


@pytest.mark.parametrize("name", ["a.txt", "classes.txt"])
def test_label_files_that_are_no_text_are_named(name: str, tmp_path: Path) -> None:
    folder = yolo(tmp_path, "1 0.2 0.2 0.2 0.2")
    (folder / name).write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=f"cannot read .*{name}: it is not a text file"):
        read_labels(folder)


def test_label_files_nested_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="not a readable JSON file"):
        read_labels(tmp_path / "deep.json")


def test_labels_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no label file or folder"):
        read_labels(tmp_path / "missing.json")
    with pytest.raises(InputError, match="holds no YOLO label files"):
        read_labels(tmp_path)
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(InputError, match="not a readable JSON file"):
        read_labels(tmp_path / "text.json")
