"""The context encoder: its input, its strides, its upsampling."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from lut_fuse_core.model import context, onnx_graph
from lut_fuse_core.model.features import luma
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx

MakeModel = Callable[..., FusionModel]


def pair(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    visible = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return visible, rng.integers(0, 256, (height, width), dtype=np.uint8)


def test_the_input_has_unshuffled_neighbors_as_channels(
    rng: np.random.Generator, make_model: MakeModel
) -> None:
    visible, infrared = pair(rng, 16, 24)
    encoder = make_model(unshuffle=2).encoder
    planes = context.encoder_input(encoder, visible, infrared)
    assert planes.shape == (8, 8, 12)
    np.testing.assert_allclose(planes[1], luma(visible)[0::2, 1::2] / 255, atol=1e-6)
    np.testing.assert_allclose(planes[6], infrared[1::2, 0::2] / 255, atol=1e-6)


def test_the_input_is_the_mean_of_pooled_pixels(
    rng: np.random.Generator, make_model: MakeModel
) -> None:
    visible, infrared = pair(rng, 16, 16)
    encoder = make_model(pool=4, inputs="rgb_infrared", input_scale=1.0).encoder
    planes = context.encoder_input(encoder, visible, infrared)
    assert planes[2, 1, 3] == pytest.approx(visible[4:8, 12:16, 2].mean(), abs=1e-3)
    assert planes[3, 2, 0] == pytest.approx(infrared[8:12, 0:4].mean(), abs=1e-3)


def test_odd_sizes_continue_the_last_row_and_column(
    rng: np.random.Generator, make_model: MakeModel
) -> None:
    visible, infrared = pair(rng, 17, 19)
    encoder = make_model(pool=4, input_scale=1.0).encoder
    planes = context.encoder_input(encoder, visible, infrared)
    assert planes.shape == (2, 5, 5)
    assert planes[1, 4, 4] == pytest.approx(infrared[16, [16, 17, 18, 18]].mean(), abs=1e-3)


@pytest.mark.parametrize("stride", [1, 2, 5, 8])
def test_upsampling_keeps_constants_and_stays_within_its_values(
    rng: np.random.Generator, stride: int
) -> None:
    coarse = rng.random((4, 5)).astype(np.float32)
    shape = (4 * stride - stride // 2, 5 * stride)
    fine = context.upsample(coarse, stride, shape if stride > 1 else coarse.shape)
    assert fine.min() >= coarse.min() - 1e-6
    assert fine.max() <= coarse.max() + 1e-6
    flat = context.upsample(np.full((4, 5), 7, np.float32), stride, fine.shape)
    np.testing.assert_allclose(flat, 7, rtol=1e-6)


def test_upsampling_hits_the_coarse_value_in_the_middle_of_an_odd_square() -> None:
    coarse = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(context.upsample(coarse, 3, (9, 12))[1::3, 1::3], coarse, atol=1e-5)


def test_the_context_is_a_gray_level(rng: np.random.Generator, make_model: MakeModel) -> None:
    encoded = context.encode(make_model(input_scale=1.0).encoder, *pair(rng, 20, 30))
    assert encoded.shape == (20, 30)
    assert encoded.min() >= 0
    assert encoded.max() <= 255


@pytest.mark.parametrize("per_frame", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_the_onnx_export_computes_the_same_at_any_size(
    rng: np.random.Generator, make_model: MakeModel, per_frame: bool, skip: bool
) -> None:
    encoder = make_model(per_frame=per_frame, skip=skip, unshuffle=2).encoder
    session = onnxruntime.InferenceSession(
        encoder_to_onnx(encoder), providers=["CPUExecutionProvider"]
    )
    for size in ((9, 12), (16, 5)):
        planes = rng.random((8, *size)).astype(np.float32)
        (result,) = session.run(["context"], {"planes": planes[None]})
        np.testing.assert_allclose(result[0, 0], context.run_blocks(encoder, planes), atol=1e-3)


def test_the_onnx_export_passes_the_checker_of_onnx(make_model: MakeModel) -> None:
    onnx = pytest.importorskip("onnx")
    for per_frame in (False, True):
        graph = onnx.load_from_string(encoder_to_onnx(make_model(per_frame=per_frame).encoder))
        onnx.checker.check_model(graph, full_check=True)


def test_the_onnx_export_is_the_same_every_time(model: FusionModel) -> None:
    assert encoder_to_onnx(model.encoder) == encoder_to_onnx(model.encoder)


def test_the_message_classes_of_an_older_protobuf_serve_as_well(
    model: FusionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encoder_to_onnx(model.encoder)
    newer = onnx_graph.message_factory.GetMessageClass

    class Factory:
        def __init__(self, pool: object) -> None: ...

        def GetPrototype(self, descriptor: object) -> object:  # noqa: N802
            return newer(descriptor)

    monkeypatch.setattr(onnx_graph, "message_factory", SimpleNamespace(MessageFactory=Factory))
    onnx_graph._message_types.cache_clear()
    assert encoder_to_onnx(model.encoder) == expected
