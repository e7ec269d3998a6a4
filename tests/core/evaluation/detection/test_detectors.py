"""Detectors: the output layouts of the YOLO family, and what cannot be used as one."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from detectors import answer_in, write_detector
from onnx import TensorProto, helper

from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.classes import class_map
from lut_fuse_core.evaluation.detection.detector import Detector

LAYOUTS = ("YOLOX", "YOLOv5", "YOLOv8", "end to end", "FastestDet")
NAMES = ("person", "car", "dog")
WIDE = np.zeros((32, 128, 3), np.uint8)
"""Twice as wide and half as high as the detectors' input of 64x64."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_box_is_found_at_its_place_in_an_image_of_another_shape(
    layout: str, tmp_path: Path
) -> None:
    inside = {"YOLOX": (20, 4, 40, 12), "FastestDet": (20, 20, 40, 48)}.get(
        layout, (20, 28, 40, 36)
    )
    expected = (40, 10, 80, 24) if layout == "FastestDet" else (40, 8, 80, 24)
    answer = answer_in(layout, inside, len(NAMES), of=1)
    detector = Detector(write_detector(tmp_path / "d.onnx", answer, names=NAMES))
    assert detector.layout.name == layout
    boxes, scores, names = detector.detect(WIDE, {"person": (0,), "car": (1,)})
    assert names == ("car",)
    np.testing.assert_allclose(boxes[0], expected, atol=0.01)
    assert scores[0] == pytest.approx(0.9, abs=1e-3)


def test_yolox_exported_with_its_decoder_means_pixels(tmp_path: Path) -> None:
    rows = np.zeros((1, 84, 8), np.float32)
    rows[0, 3] = (40, 8, 20, 8, 1, 0, 0.8, 0)
    detector = Detector(write_detector(tmp_path / "d.onnx", rows, names=NAMES))
    boxes, _, _ = detector.detect(WIDE, {"car": (1,)})
    np.testing.assert_allclose(boxes, [[60, 8, 100, 24]], atol=0.01)


def test_overlapping_boxes_of_classes_that_count_as_one_are_one_object(tmp_path: Path) -> None:
    answer = answer_in("YOLOv8", (20, 28, 40, 36), 3, of=0)
    answer[0, :, 8] = (30, 32, 19, 8, 0, 0.5, 0)
    detector = Detector(write_detector(tmp_path / "d.onnx", answer, names=("car", "truck", "bus")))
    together = detector.detect(WIDE, {"car": (0, 1)})
    assert together.names == ("car",)
    apart = detector.detect(WIDE, {"car": (0,), "truck": (1,)})
    assert apart.names == ("car", "truck")


@pytest.mark.parametrize("name", ["yolox_nano", "fastestdet"])
def test_a_real_detector_finds_the_cars_of_a_street_with_either_runtime(
    name: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared / "detectors" / f"{name}.onnx"
    image = cv2.imread(str(shared / "data/roadscene/train/visible/FLIR_04215.jpg"))[..., ::-1]
    image = np.ascontiguousarray(image)
    classes = {"car": (2, 5, 7)}
    with_runtime = Detector(path).detect(image, classes)
    monkeypatch.setitem(sys.modules, "lut_fuse_core.model.onnx_runtime", None)
    with_opencv = Detector(path).detect(image, classes)
    near = np.abs(with_runtime.boxes[:1] - (459, 122, 530, 213)).max()
    assert near < 30, "the nearest car is the surest"
    sure = int((with_runtime.scores > 0.3).sum())
    assert sure >= 4
    np.testing.assert_allclose(with_opencv.boxes[:sure], with_runtime.boxes[:sure], atol=0.5)
    np.testing.assert_allclose(with_opencv.scores[:sure], with_runtime.scores[:sure], atol=1e-3)


def test_an_output_that_is_not_understood_is_refused_with_the_layouts_that_are(
    tmp_path: Path,
) -> None:
    path = write_detector(tmp_path / "d.onnx", np.zeros((1, 10, 10), np.float32))
    with pytest.raises(InputError, match=r"output \(1, 10, 10\).*YOLOX.*YOLOv5.*FastestDet"):
        Detector(path)


def test_classes_without_names_are_refused_and_can_be_named(tmp_path: Path) -> None:
    answer = answer_in("YOLOv8", (20, 28, 40, 36), 3, of=0)
    path = write_detector(tmp_path / "d.onnx", answer)
    with pytest.raises(InputError, match=r"3 classes, but 80 names.*--detector-classes"):
        Detector(path)
    assert Detector(path, NAMES).classes == NAMES


def test_files_that_are_no_detector_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no network"):
        Detector(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(InputError, match="not a readable ONNX file"):
        Detector(tmp_path / "text.onnx")
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 5]) for name in ("in", "out")
    ]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["in"], ["out"])], "g", *[[v] for v in values]
    )
    onnx.save(helper.make_model(graph, ir_version=8), tmp_path / "vector.onnx")
    with pytest.raises(InputError, match="takes an input of shape"):
        Detector(tmp_path / "vector.onnx")


def test_classes_are_matched_by_name_and_by_what_public_labels_mean() -> None:
    detected = ("person", "bicycle", "car", "bus", "truck")
    assert class_map(("People", "Car"), detected, None) == {"People": (0,), "Car": (2, 3, 4)}
    with_buses = class_map(("car", "bus", "lamp"), detected, None)
    assert with_buses == {"car": (2, 4), "bus": (3,)}
    assert class_map(("car", "person"), detected, {"person": ()}) == {"person": (0,)}
    assert class_map(("car",), detected, {"car": ("truck",)}) == {"car": (4,)}


@pytest.mark.parametrize(
    ("labeled", "chosen", "said"),
    [
        (("lamp",), None, "knows none of the classes in the labels"),
        (("car",), {"tram": ()}, "the labels have no such class"),
        (("car",), {"car": ("tram",)}, "the detector has no class 'tram'"),
        (("lamp", "car"), {"lamp": ()}, "say which of its classes"),
    ],
)
def test_unknown_classes_are_named(
    labeled: tuple[str, ...], chosen: dict[str, tuple[str, ...]] | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        class_map(labeled, ("person", "car"), chosen)
