"""`lut-fuse-train distil --detector`: what detectors teach, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lut_fuse_training.__main__ import main
from lut_fuse_training.data.pairs import Pair, in_validation
from lut_fuse_training.detection.detection_terms import (
    DetectionWeights,
    Objects,
    contrast_term,
    detection_terms,
    overlap,
)
from lut_fuse_training.detection.labeled_pictures import read_labeled, window
from lut_fuse_training.detection.torch_detector import Candidates
from small_detector import write_small_detector
from tiny_runs import TINY

from lut_fuse_core.evaluation.detection.labels import LabeledBox

BOX = torch.tensor([[10.0, 10, 40, 50]])
NOTHING = torch.zeros(0, 4)
STRUCTURE = [
    "--set", "student.nodes=5,5,3,3", "--set", "student.width=4", "--set", "loss.structure=0",
    "--set", "loss.intensity=0",
]  # fmt: skip


def objects(boxes: torch.Tensor, ignored: torch.Tensor = NOTHING) -> Objects:
    return Objects({"person": boxes}, {"person": ignored}, 20.0)


def terms(boxes: torch.Tensor, scores: list[float], there: Objects) -> dict[str, float]:
    candidates = Candidates(boxes, torch.tensor(scores)[:, None])
    found = detection_terms(candidates, there, {"person": (0,)}, DetectionWeights())
    return {name: float(term.value) for name, term in found.items()}


def test_an_object_costs_less_the_surer_and_the_better_it_is_found() -> None:
    sure, unsure = (terms(BOX, [score], objects(BOX))["found"] for score in (0.9, 0.3))
    beside = terms(BOX + 10, [0.9], objects(BOX))["found"]
    assert sure < unsure
    assert sure < beside
    assert terms(BOX, [0.9], objects(BOX))["wrong"] == 0


def test_what_is_no_object_costs_unless_it_is_ignored_or_low() -> None:
    elsewhere, low = BOX + 100, torch.tensor([[100.0, 100, 130, 110]])
    assert terms(elsewhere, [0.9], objects(BOX))["wrong"] > 0
    assert terms(elsewhere, [0.9], objects(BOX, ignored=elsewhere))["wrong"] == 0
    assert terms(low, [0.9], objects(BOX))["wrong"] == 0


def test_a_picture_without_objects_still_has_terms() -> None:
    assert terms(BOX, [0.5], objects(NOTHING))["found"] == 0


def test_overlap_is_intersection_over_union() -> None:
    others = torch.tensor([[10.0, 10, 40, 50], [25, 10, 55, 50], [90, 90, 99, 99]])
    assert overlap(BOX, others)[0].tolist() == pytest.approx([1, 1 / 3, 0])


def test_contrast_that_is_lost_costs_and_contrast_that_is_won_does_not() -> None:
    before = torch.full((1, 1, 60, 60), 0.2)
    before[..., 10:50, 10:40] = 0.6

    def cost(fused: torch.Tensor) -> float:
        term = contrast_term(fused, before, objects(BOX), DetectionWeights())["contrast"]
        return float(term.value)

    assert cost(before) == pytest.approx(0, abs=1e-6)
    assert cost(0.2 + 2 * (before - 0.2)) == 0
    assert cost(0.2 + 0.5 * (before - 0.2)) == pytest.approx(0.5, abs=1e-3)


def test_the_boxes_of_a_window_are_where_its_pixels_are() -> None:
    marked = np.zeros((100, 120), np.uint8)
    marked[30:70, 40:80] = 255
    pair = Pair("a", np.dstack([marked] * 3), marked)
    boxes = [LabeledBox("person", 40, 30, 80, 70)]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        shown = window(pair, boxes, ("person",), 20, rng, "cpu")
        rows, columns = np.nonzero(shown.infrared[0, 0].numpy())
        here = [*shown.objects.boxes["person"], *shown.objects.ignored["person"]]
        assert here
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert here[0].tolist() == pytest.approx(expected)


@pytest.fixture
def labeled(tmp_path: Path) -> tuple[Path, Path]:
    """Pairs of 64x72 with a bright square each, and their labels."""
    rng = np.random.default_rng(0)
    labels = {}
    for number in range(6):
        name = f"pair{number}"
        x, y = int(rng.integers(4, 30)), int(rng.integers(4, 30))
        for kind, channels in (("visible", 3), ("infrared", 1)):
            image = rng.integers(30, 90, (64, 72, channels)).astype(np.uint8)
            image[y : y + 30, x : x + 20] = 200
            (tmp_path / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "pairs" / kind / f"{name}.png"), image)
        labels[name] = {"boxes": [{"class": "person", "box": [x, y, x + 20, y + 30]}]}
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(labels))
    return tmp_path / "pairs", path


def command(labeled: tuple[Path, Path], tmp_path: Path, out: str, steps: int) -> list[str]:
    detector = tmp_path / "small.onnx"
    if not detector.exists():
        write_small_detector(detector)
    pairs, boxes = labeled
    return [
        *("distil", "--data", str(pairs), "--detector", str(detector), "--boxes", str(boxes)),
        *("--out", str(tmp_path / out), "--steps", str(steps), *TINY, *STRUCTURE),
    ]


def test_a_fusion_is_adapted_and_its_gain_measured_on_pairs_held_out(
    labeled: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pycocotools")
    assert any(in_validation(f"pair{k}", 0.3) for k in range(6))
    assert main(command(labeled, tmp_path, "run", 2)) == 0
    out = capsys.readouterr().out
    assert "on pairs that were held out" in out
    assert "fused less the better camera" in out
    logged = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert {"found", "wrong", "contrast"} <= logged.keys()
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_labeled_pair_that_cannot_be_read_is_left_out(
    labeled: tuple[Path, Path], tmp_path: Path
) -> None:
    pairs, boxes = labeled
    (pairs / "infrared" / "pair3.png").write_bytes(b"damaged")
    found = read_labeled(pairs, boxes, 0.0)
    assert [pair.name for pair, _ in found.training] == [f"pair{k}" for k in (0, 1, 2, 4, 5)]


def test_a_resumed_adaptation_ends_as_one_that_was_not_interrupted(
    labeled: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("pycocotools")
    assert main(command(labeled, tmp_path, "whole", 4)) == 0
    assert main(command(labeled, tmp_path, "parts", 2)) == 0
    again = [*command(labeled, tmp_path, "parts", 4), "--resume"]
    assert main(again) == 0
    whole, parts = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["step"]
        for name in ("whole", "parts")
    )
    assert whole == parts == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("no boxes", "--detector needs labeled objects; add --boxes LABELS"),
        ("no detector", "--boxes goes with a detector; add --detector MODEL.onnx"),
        ("labels of others", "labels belong to the pair with the same file name"),
        ("box outside", "lies outside the picture of 72x64"),
        ("unknown class", "knows none of the classes in the labels"),
        ("all held out", "is left to adapt to"),
        ("other layout", "is of no known layout"),
    ],
)
def test_what_cannot_be_adapted_to_is_one_sentence(
    labeled: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
    sentence: str,
) -> None:
    words = command(labeled, tmp_path, "run", 2)
    boxes = labeled[1]
    labels = json.loads(boxes.read_text())
    if change == "no boxes":
        del words[words.index("--boxes") : words.index("--boxes") + 2]
    elif change == "no detector":
        del words[words.index("--detector") : words.index("--detector") + 2]
    elif change == "labels of others":
        boxes.write_text(json.dumps({f"x{name}": found for name, found in labels.items()}))
    elif change == "box outside":
        labels = {n: {"boxes": [{"class": "person", "box": [90, 1, 99, 9]}]} for n in labels}
        boxes.write_text(json.dumps(labels))
    elif change == "unknown class":
        labels = {n: {"boxes": [{"class": "ship", "box": [9, 1, 30, 40]}]} for n in labels}
        boxes.write_text(json.dumps(labels))
    elif change == "all held out":
        held_out = [name for name in labels if in_validation(name, 0.3)]
        boxes.write_text(json.dumps({name: labels[name] for name in held_out}))
    elif change == "other layout":
        from detectors import write_detector

        write_detector(tmp_path / "small.onnx", np.zeros((1, 10), np.float32))
    assert main(words) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run" / "model.safetensors").exists()
