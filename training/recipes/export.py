"""From a trained MM-LUT to the files that run: model, encoder as ONNX, each checked numerically."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lut_fuse_core import load_model, save_model
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.backends.reference import fuse_float
from lut_fuse_core.errors import LutFuseError
from lut_fuse_core.model import context
from lut_fuse_core.model.features import luma
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.int8_ranges import with_input_ranges
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx
from lut_fuse_core.model.onnx_runtime import onnxruntime

from ..networks.mm_lut import MMLut
from .outputs import ENCODER, MODEL

LUMA_TOLERANCE = 0.6
"""Gray levels: half a level for rounding the lattice to 8 bits, the rest for single precision."""

CONTEXT_TOLERANCE = 0.05
"""Gray levels of the context axis, on which a node is 60 or so wide."""


@dataclass(frozen=True)
class ExportReport:
    """Largest differences found, in gray levels.

    Attributes:
        luma_difference: Between the fused luma of the trained module and of the core.
        context_difference: Between the context of the ONNX file and of the core.
    """

    luma_difference: float
    context_difference: float


@torch.no_grad()
def export_model(
    module: MMLut,
    out: Path,
    provenance: dict[str, Any],
    pairs: Iterable[tuple[UInt8Array, UInt8Array]] | None = None,
) -> ExportReport:
    """Write ``model.safetensors`` and ``encoder.onnx`` and check both as read back.

    Args:
        module: The trained student.
        out: Folder of the files.
        provenance: Written into the model.
        pairs: Visible RGB and infrared, to find the ranges on that int8 needs; None to leave them
            out.

    Raises:
        LutFuseError: If they do not compute what the module does.
    """
    # The file holds lattices clipped to what can be shown; the module may exceed it.
    # A GPU's convolutions, to ten bits of their inputs, would be a difference to the file.
    module = deepcopy(module).cpu()
    for lattice in module.lattices:
        lattice.clamp_(0, 1)
    trained = module.to_model(provenance)
    save_model(with_input_ranges(trained, pairs) if pairs is not None else trained, out / MODEL)
    model = load_model(out / MODEL)
    with atomic_write(out / ENCODER) as temporary:
        temporary.write_bytes(encoder_to_onnx(model.encoder))
    pairs = _test_pairs()
    report = ExportReport(
        max(_luma_difference(module, model, *pair) for pair in pairs),
        max(_context_difference(out / ENCODER, model, *pair) for pair in pairs),
    )
    if report.luma_difference > LUMA_TOLERANCE or report.context_difference > CONTEXT_TOLERANCE:
        raise LutFuseError(
            f"the exported model differs from the trained one by {report.luma_difference:.3f} gray "
            f"levels (context {report.context_difference:.3f}); please report this as a bug"
        )
    return report


def _test_pairs() -> list[tuple[UInt8Array, UInt8Array]]:
    """Noise, which visits every cell of the lattice, dark noise, a smooth picture of odd size."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:77, 0:101]
    smooth = np.stack([rows * 3 % 256, columns * 2 % 256, (rows + columns) % 256], -1)
    return [
        (rng.integers(0, 256, (96, 96, 3), np.uint8), rng.integers(0, 256, (96, 96), np.uint8)),
        (rng.integers(0, 100, (96, 96, 3), np.uint8), rng.integers(0, 256, (96, 96), np.uint8)),
        (smooth.astype(np.uint8), (columns * 5 % 256).astype(np.uint8)),
    ]


@torch.no_grad()
def _luma_difference(
    module: MMLut, model: FusionModel, visible: UInt8Array, infrared: UInt8Array
) -> float:
    fused = module(
        torch.from_numpy(visible).permute(2, 0, 1)[None].float() / 255,
        torch.from_numpy(infrared)[None, None].float() / 255,
    )
    expected = luma(visible) + (
        fuse_float(model, visible, infrared) - visible.astype(np.float32)
    ).mean(2)
    return float(np.abs(fused[0, 0].numpy() * 255 - expected).max())


def _context_difference(
    path: Path, model: FusionModel, visible: UInt8Array, infrared: UInt8Array
) -> float:
    planes = context.encoder_input(model.encoder, visible, infrared)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"planes": planes[None]})
    return float(np.abs(found[0, 0] - context.run_blocks(model.encoder, planes)).max())
