"""`lut-fuse evaluate --boxes`: table, JSON, page, and what it refuses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectors import answer_in, write_detector

from lut_fuse_core.cli import main

pytest.importorskip("pycocotools")

ToolResult = tuple[int, str, str]
Run = Callable[..., ToolResult]
BOX = (10.0, 30.0, 40.0, 60.0)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three pairs of 64x64."""
    rng = np.random.default_rng(0)
    for kind in ("visible", "infrared"):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for name in "abc":
            shape = (64, 64, 3) if kind == "visible" else (64, 64)
            image = rng.integers(0, 255, shape, np.uint8)
            cv2.imwrite(str(tmp_path / "pairs" / kind / f"{name}.png"), image)
    return tmp_path / "pairs"


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """Says on every image that there is a car in `BOX`."""
    return write_detector(tmp_path / "always.onnx", answer_in("YOLOX", BOX, 80, of=2))


def boxes(folder: Path, **objects: list[dict[str, object]]) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps({name: {"boxes": found} for name, found in objects.items()}))
    return path


CAR = {"class": "car", "box": list(BOX)}


def test_every_kind_of_image_is_measured_and_reported(
    pairs: Path, detector: Path, tmp_path: Path, run_tool: Run
) -> None:
    labels = boxes(tmp_path, a=[CAR], b=[CAR], c=[])
    arguments = ("evaluate", pairs, "--boxes", labels, "--detector", detector)
    other = ("--compare", f"copy={pairs / 'infrared'}")
    status, out, err = run_tool(*arguments, *other, "--json", "--html", tmp_path / "page.html")
    assert (status, err) == (0, "")
    report = json.loads(out)
    images = report["detectors"]["always"]["images"]
    assert list(images) == ["visible", "infrared", "maximum", "average", "copy", "fused"]
    car = images["fused"]["car"]
    assert car["objects"] == 2
    assert car["recall"] == 100
    assert car["precision"] == pytest.approx(100 * 2 / 3)
    assert report["detectors"]["always"]["gain"]["car"]["ap50"] == 0
    page = (tmp_path / "page.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "<script>" in page


def test_the_table_names_detector_class_and_gain(
    pairs: Path, detector: Path, tmp_path: Path, run_tool: Run
) -> None:
    labels = boxes(tmp_path, a=[CAR])
    status, out, err = run_tool("evaluate", pairs, "--boxes", labels, "--detector", detector)
    assert (status, err) == (0, "")
    assert "1 labeled pairs" in out
    assert "always: 1 x car" in out
    assert "fused less the better camera: +0.0 (+0.0 to +0.0)" in out


def test_the_page_shows_the_pictures_that_fusion_changed_with_their_boxes(
    shared: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    words = (
        *("evaluate", shared / "data/roadscene/train", "--boxes"),
        *(shared / "data/roadscene/boxes.json", "--only", "FLIR_049*", "--classes", "person"),
        *("--detector", shared / "detectors/yolox_nano.onnx", "--html", page),
    )
    assert main([*map(str, words)]) == 0
    text = page.read_text()
    assert "yolox_nano: gained most" in text
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert pictures
    assert len(pictures) % 3 == 0
    image = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), np.uint8), cv2.IMREAD_COLOR)
    colored = np.ptp(image.astype(int), axis=2) > 120
    assert colored.sum() > 50, "boxes are drawn in color"


@pytest.mark.parametrize(
    ("objects", "words", "said"),
    [
        ({"x": [CAR]}, (), "none of the 1 labeled pictures (x, ...) is one of the 3 pairs"),
        ({"a": []}, (), "hold no object"),
        ({"a": [{"class": "car", "box": [70, 1, 90, 9]}]}, (), "lies outside the picture of 64x64"),
        ({"a": [{"class": "lamp", "box": [1, 1, 9, 9]}]}, (), "knows none of the classes"),
        ({"a": [CAR]}, ("--classes", "lamp"), "the labels have no such class"),
        ({"a": [CAR]}, ("--heights", "40", "20"), "must increase"),
        ({"a": [CAR]}, ("--sequence",), "two measurements"),
        ({"a": [CAR]}, ("--compare", "fused=default"), "'fused' is taken"),
        ({"a": [CAR]}, ("--compare", "default"), "is not NAME=MODEL"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    objects: dict[str, list[dict[str, object]]],
    words: tuple[str, ...],
    said: str,
    pairs: Path,
    detector: Path,
    tmp_path: Path,
    run_tool: Run,
) -> None:
    labels = boxes(tmp_path, **objects)
    status, out, err = run_tool(
        "evaluate", pairs, "--boxes", labels, "--detector", detector, *words
    )
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_options_that_need_each_other_say_so(pairs: Path, detector: Path, run_tool: Run) -> None:
    assert "add --boxes" in run_tool("evaluate", pairs, "--detector", detector)[2]
    assert "add --detector" in run_tool("evaluate", pairs, "--boxes", pairs)[2]


def test_classes_and_pictures_that_are_not_measured_are_named(
    pairs: Path, detector: Path, tmp_path: Path, run_tool: Run
) -> None:
    labels = boxes(tmp_path, a=[CAR, {"class": "lamp", "box": [1, 1, 9, 40]}], x=[CAR])
    status, _, err = run_tool("evaluate", pairs, "--boxes", labels, "--detector", detector)
    assert status == 0
    assert "always has no class for lamp" in err
    assert "1 labeled pictures have no pair of that name: x" in err
