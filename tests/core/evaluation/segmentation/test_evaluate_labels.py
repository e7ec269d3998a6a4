"""`lut-fuse evaluate --labels`: tables, pages, and what it refuses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectors import write_detector
from segmenters import write_segmenter

from lut_fuse_core.evaluation.segmentation.classes import OTHER, class_table
from lut_fuse_core.evaluation.segmentation.page import overlay
from lut_fuse_core.synthetic import SceneConfig, StreetScene

pytest.importorskip("onnx")

ToolResult = tuple[int, str, str]
Run = Callable[..., ToolResult]
PERSON = np.s_[16:48, 24:40]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two pairs of a warm person, bright in infrared, dark in the visible image, and their maps."""
    for folder in ("visible", "infrared", "labels"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
    for name in "ab":
        visible, infrared = np.full((64, 64, 3), 90, np.uint8), np.full((64, 64), 30, np.uint8)
        labels = np.zeros((64, 64), np.uint8)
        infrared[PERSON], labels[PERSON] = 220, 2
        for folder, image in (("visible", visible), ("infrared", infrared), ("labels", labels)):
            cv2.imwrite(str(tmp_path / "pairs" / folder / f"{name}.png"), image)
    return tmp_path / "pairs"


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    return write_segmenter(tmp_path / "bright.onnx")


def command(pairs: Path, segmenter: Path) -> tuple[object, ...]:
    return (
        *("evaluate", pairs, "--labels", pairs / "labels", "--segmenter", segmenter),
        *("--segmenter-input", "bytes"),
    )


def test_every_kind_of_image_is_held_against_the_labels(
    pairs: Path, segmenter: Path, tmp_path: Path, run_tool: Run
) -> None:
    page = tmp_path / "page.html"
    other = ("--compare", f"warm={pairs / 'infrared'}", "--json", "--html", page)
    status, out, err = run_tool(*command(pairs, segmenter), *other)
    assert (status, err) == (0, "")
    images = json.loads(out)["segmenters"]["bright"]["images"]
    assert list(images) == ["visible", "infrared", "maximum", "average", "warm", "fused"]
    assert images["infrared"]["iou"] == {"unlabeled": 100, "person": 100}
    assert images["warm"]["mean_iou"] == images["maximum"]["mean_iou"] == 100
    outside = 64 * 64 - 32 * 16
    assert images["visible"]["iou"] == {
        "unlabeled": pytest.approx(100 * outside / 64**2),
        "person": 0,
    }
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page.read_text())
    assert all(
        cv2.imdecode(np.frombuffer(base64.b64decode(p), np.uint8), 1) is not None for p in pictures
    )


def test_the_table_names_classes_mean_and_gain(pairs: Path, segmenter: Path, run_tool: Run) -> None:
    status, out, _ = run_tool(*command(pairs, segmenter))
    assert status == 0
    assert re.search(r"unlabeled +person +mean", out)
    assert re.search(r"infrared +100\.0 +100\.0 +100\.0", out)
    fused = re.search(r"\nfused +\S+ +\S+ +(\S+)", out)
    gain = re.search(r"fused less the better camera: (\S+)", out)
    assert fused
    assert gain
    assert float(gain[1]) == pytest.approx(float(fused[1]) - 100, abs=0.11)


def test_pixels_that_the_labels_ignore_count_for_nothing(
    pairs: Path, segmenter: Path, run_tool: Run
) -> None:
    for name in "ab":
        labels = np.full((64, 64), 255, np.uint8)
        labels[20:40, 28:36], labels[:8] = 2, 0
        cv2.imwrite(str(pairs / "labels" / f"{name}.png"), labels)
    _, out, _ = run_tool(*command(pairs, segmenter), "--json")
    images = json.loads(out)["segmenters"]["bright"]["images"]
    assert images["infrared"]["mean_iou"] == 100


def test_a_segmenter_of_any_size_sees_pictures_of_any_size(tmp_path: Path, run_tool: Run) -> None:
    pairs = tmp_path / "street"
    frame = StreetScene(SceneConfig(160, 120, seed=3)).frame(40)
    assert {1, 2} <= set(np.unique(frame.labels))
    for kind, image in (("visible", frame.visible), ("infrared", frame.infrared)):
        (pairs / kind).mkdir(parents=True)
        cv2.imwrite(str(pairs / kind / "a.png"), image)
    (pairs / "labels").mkdir()
    cv2.imwrite(str(pairs / "labels" / "a.png"), frame.labels)
    segmenter = write_segmenter(tmp_path / "any.onnx", size=None)
    status, out, err = run_tool(*command(pairs, segmenter), "--json")
    assert status == 0, err
    images = json.loads(out)["segmenters"]["any"]["images"]
    visible, infrared = (images[kind]["iou"] for kind in ("visible", "infrared"))
    # At night people are among what is bright in infrared, and not in the visible image.
    assert infrared["person"] > 2 * visible["person"]
    assert infrared["car"] == 0


def test_label_maps_in_a_palette_hold_numbers(pairs: Path, segmenter: Path, run_tool: Run) -> None:
    images = pytest.importorskip("PIL.Image")
    for name in "ab":
        path = pairs / "labels" / f"{name}.png"
        image = images.fromarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), "P")
        image.putpalette([number * 7 % 256 for number in range(768)])
        image.save(path)
    _, out, _ = run_tool(*command(pairs, segmenter), "--json")
    images = json.loads(out)["segmenters"]["bright"]["images"]
    assert images["infrared"]["mean_iou"] == 100


def test_classes_of_cityscapes_count_as_those_of_mfnet() -> None:
    table = class_table(("unlabeled", "car", "person"), ("road", "person", "rider", "Truck", "car"))
    assert table.tolist() == [OTHER, 2, 2, 1, 1]


def test_an_overlay_colors_classes_but_not_what_is_unlabeled() -> None:
    image = np.full((2, 3, 3), 100, np.uint8)
    numbers = np.array([[0, 1, 2], [255, 0, 1]], np.uint8)
    changed = (overlay(image, numbers) != image).any(axis=2)
    assert changed.tolist() == [[False, True, True], [False, False, True]]


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        ("map of other size", (), "the label map a.png is 32x32, its pair 64x64"),
        ("unknown class", (), "has class 12, but only 9 classes have names"),
        ("color map", (), "is no label map"),
        ("damaged map", (), "is not a readable image"),
        ("no labels", (), "holds no images"),
        ("labels of others", (), "labels belong to the pair with the same file name"),
        ("", ("--label-classes", "absent.txt"), "absent.txt cannot be read"),
        ("other layout", (), "is of no known layout; known are scores (1, classes, h, w)"),
        ("other classes", (), "has 5 classes, but 0 names are known"),
        ("no network", (), "there is no network"),
        ("text network", (), "is not a readable ONNX file"),
        ("", ("--sequence",), "are two measurements"),
        ("", ("--boxes", "boxes.json", "--detector", "d.onnx"), "are two measurements"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    pairs: Path,
    segmenter: Path,
    run_tool: Run,
    change: str,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    first = pairs / "labels" / "a.png"
    labels = np.zeros((64, 64), np.uint8)
    if change == "map of other size":
        cv2.imwrite(str(first), labels[:32, :32])
    elif change == "unknown class":
        labels[0] = 12
        cv2.imwrite(str(first), labels)
    elif change == "color map":
        cv2.imwrite(str(first), np.dstack([labels, labels + 1, labels]))
    elif change == "damaged map":
        first.write_bytes(first.read_bytes()[:60])
    elif change == "no labels":
        for path in (pairs / "labels").iterdir():
            path.unlink()
    elif change == "labels of others":
        for path in (pairs / "labels").iterdir():
            path.rename(path.with_name(f"x{path.name}"))
    elif change == "other layout":
        write_detector(segmenter, np.zeros((1, 10), np.float32))
    elif change == "other classes":
        write_segmenter(segmenter, classes=5)
    elif change == "no network":
        segmenter.unlink()
    elif change == "text network":
        segmenter.write_text("not a network")
    status, out, err = run_tool(*command(pairs, segmenter), *arguments)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_labels_need_a_segmenter_and_a_segmenter_labels(
    pairs: Path, segmenter: Path, run_tool: Run
) -> None:
    status, _, err = run_tool("evaluate", pairs, "--labels", pairs / "labels")
    assert (status, "add --segmenter MODEL.onnx" in err) == (2, True)
    status, _, err = run_tool("evaluate", pairs, "--segmenter", segmenter)
    assert (status, "add --labels DIR" in err) == (2, True)
