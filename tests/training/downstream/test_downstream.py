"""`lut-fuse-train downstream`: networks on each kind of image, at a size that runs in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from lut_fuse_training.__main__ import main
from lut_fuse_training.downstream.pictures import (
    Labeled,
    PictureBatches,
    PictureConfig,
    Pictures,
    as_input,
)

from lut_fuse_core.io.dataset import find_dataset

needs_transformers = pytest.mark.skipif(
    not all(__import__("importlib.util").util.find_spec(n) for n in ("transformers", "scipy")),
    reason="transformers or scipy is not installed: pip install 'lut_fuse_ros[downstream]'",
)

TINY = [
    *("--set", "pictures.width=64", "--set", "pictures.height=64", "--set", "pictures.batch=2"),
    *("--set", "segformer.widths=8,16,24,32", "--set", "segformer.depths=1,1,1,1"),
    *("--set", "segformer.decoder=16", "--set", "detector.widths=8,16,24,32"),
    *("--set", "detector.hidden=32", "--set", "detector.layers=1", "--set", "detector.queries=8"),
    *("--device", "cpu", "--quiet"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pairs in training and two in test, each with a warm person, with boxes and label maps."""
    rng = np.random.default_rng(0)
    boxes = {}
    for part, count in (("train", 6), ("test", 2)):
        for folder in ("visible", "infrared", "labels"):
            (tmp_path / "data" / part / folder).mkdir(parents=True)
        for number in range(count):
            name = f"{part}{number}"
            visible = rng.integers(40, 90, (64, 96, 3)).astype(np.uint8)
            infrared = rng.integers(20, 40, (64, 96)).astype(np.uint8)
            labels = np.zeros((64, 96), np.uint8)
            x, y = int(rng.integers(4, 60)), int(rng.integers(4, 20))
            here = np.s_[y : y + 40, x : x + 20]
            infrared[here], labels[here] = 220, 2
            for folder, image in (("visible", visible), ("infrared", infrared), ("labels", labels)):
                cv2.imwrite(str(tmp_path / "data" / part / folder / f"{name}.png"), image)
            boxes[name] = {"boxes": [{"class": "person", "box": [x, y, x + 20, y + 40]}]}
    (tmp_path / "data" / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path / "data"


def segment(data: Path, out: Path, steps: int = 2) -> list[str]:
    return [
        *("downstream", "segment", "--data", str(data), "--labels", str(data / "train" / "labels")),
        *("--test-labels", str(data / "test" / "labels"), "--out", str(out)),
        *("--steps", str(steps), *TINY),
    ]


def detect(data: Path, out: Path, steps: int = 2) -> list[str]:
    return [
        *("downstream", "detect", "--data", str(data), "--boxes", str(data / "boxes.json")),
        *("--out", str(out), "--steps", str(steps), *TINY),
    ]


@needs_transformers
def test_table_2_has_a_row_per_kind_and_a_column_per_class(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = segment(data, tmp_path / "out")
    kinds = ("--kinds", "visible", "fused", "--format", "json")
    assert main([*words, *kinds]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [row["images"] for row in table["rows"]] == ["visible", "fused"]
    assert set(table["rows"][0]) == {"images", "unlabeled", "person", "mIoU"}
    assert table["notes"] == ["6 pairs to train on, 2 to measure on"]


@needs_transformers
def test_table_3_has_precision_recall_and_average_precision(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pycocotools")
    assert main([*detect(data, tmp_path / "out"), "--kinds", "infrared"]) == 0
    table = capsys.readouterr().out
    assert "Pre." in table
    assert "mAP@0.5:0.95" in table
    assert "infrared" in table


@needs_transformers
def test_finished_kinds_are_not_trained_again_and_others_go_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([*segment(data, out, 2), "--kinds", "visible"]) == 0
    assert main([*segment(data, out, 2), "--kinds", "visible"]) == 2
    assert "holds a run already; add --resume" in capsys.readouterr().err
    before = (out / "visible" / "checkpoint.pt").stat().st_mtime_ns
    again = [*segment(data, out, 2), "--kinds", "visible", "infrared", "--resume"]
    assert main(again) == 0
    assert (out / "visible" / "checkpoint.pt").stat().st_mtime_ns == before
    assert main([*segment(data, out, 3), "--kinds", "visible", "--resume"]) == 0
    logged = (out / "visible" / "report.json").read_text()
    assert json.loads(logged)["steps"] == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("no labels", "'segment' needs --labels DIR"),
        ("labels of others", "labels belong to the pair with the same file name"),
        ("unknown kind", "'thermal' is no kind of image here"),
        ("odd size", "must be multiples of 32"),
        ("bad comparison", "is not NAME=MODEL or NAME=FOLDER"),
    ],
)
def test_what_cannot_be_trained_on_is_one_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, sentence: str
) -> None:
    words = segment(data, tmp_path / "out")
    if change == "no labels":
        del words[words.index("--labels") : words.index("--labels") + 2]
    elif change == "labels of others":
        words[words.index("--labels") + 1] = str(data / "test" / "labels")
    elif change == "unknown kind":
        words += ["--kinds", "thermal"]
    elif change == "odd size":
        words += ["--set", "pictures.width=70"]
    elif change == "bad comparison":
        words += ["--compare", "published"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1


def test_a_batch_depends_on_seed_and_step_and_mirrors_half(data: Path) -> None:
    files = find_dataset(data / "train").pairs
    labeled = Labeled(files, lambda name, size: name)
    config = PictureConfig(64, 64, 4)
    pictures = Pictures(labeled, "visible", lambda _, visible, infrared: visible, config)
    batches = PictureBatches(pictures, 4, seed=3)
    first, again = batches(5), PictureBatches(pictures, 4, seed=3)(5)
    assert first.targets == again.targets
    assert (first.images == again.images).all()
    mirrored = [turn for step in range(20) for turn in batches(step).mirrored]
    assert 20 < sum(mirrored) < 60
    for image, name, turn in zip(first.images, first.targets, first.mirrored, strict=True):
        plain = as_input([pictures[[f.name for f in files].index(name)][0]])[0]
        assert (image == (plain.flip(2) if turn else plain)).all()
