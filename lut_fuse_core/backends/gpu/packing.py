"""A model's tensors in the order in which the CUDA kernels read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.backends.gpu.source import KernelPlan
from lut_fuse_core.model.fusion_model import FusionModel

Packed = npt.NDArray[Any]


def pack_lattice(model: FusionModel, plan: KernelPlan) -> Packed:
    """Each node with the next one along the context axis: ``(nodes, 2) float16 or float32``.

    Of several lattices, the one for the brightest scenes. The last node of the axis is never the
    lower one of a cell; it is paired with itself.
    """
    lattice = model.lattices[-1]
    following = np.concatenate([lattice[..., 1:], lattice[..., -1:]], axis=-1)
    pairs = np.stack([lattice, following], axis=-1).reshape(-1, 2)
    return np.ascontiguousarray(pairs, np.float16 if plan.precision == "fp16" else np.float32)


def pack_encoder(model: FusionModel, plan: KernelPlan) -> tuple[Packed, FloatArray]:
    """Weights and biases of all convolutions, one after the other, channels filled up with zeros.

    Weights in fp32: ``(group of outputs, tap, input channel, 8 outputs) float32``; in fp16: the
    matrices B of the tensor cores, ``(group of outputs, step, lane, 4) float16``, see
    `_lane_pairs`. Biases: float32.
    """
    weights, biases = [], []
    blocks = model.encoder.blocks
    for index, block in enumerate(blocks):
        groups = plan.hidden_groups if index else plan.input_groups
        out_groups = 1 if index == len(blocks) - 1 else plan.hidden_groups
        outputs, inputs = block.weight.shape[:2]
        full = np.zeros((out_groups * 8, groups * 8, 3, 3), np.float32)
        full[:outputs, :inputs] = block.weight
        # (group of outputs, 8 outputs, input channel, tap) to (group, tap, input channel, output)
        ordered = full.reshape(out_groups, 8, groups * 8, 9).transpose(0, 3, 2, 1)
        weights.append(_lane_pairs(ordered) if plan.precision == "fp16" else ordered.ravel())
        biases.append(np.pad(block.bias, (0, out_groups * 8 - outputs)))
    return np.concatenate(weights), np.concatenate(biases).astype(np.float32)


def _lane_pairs(ordered: FloatArray) -> Packed:
    """B of mma.m16n8k16 as its 32 lanes hold it: flat float16, (group, step, lane, 4).

    Lane l holds column l // 4, rows 2 (l % 4), + 1, + 8 and + 9 (PTX ISA).
    """
    out_groups = ordered.shape[0]
    inner = ordered.reshape(out_groups, -1, 8)  # rows: (tap, input channel); columns: outputs
    steps = -(-inner.shape[1] // 16)
    filled = np.zeros((out_groups, steps * 16, 8), np.float16)
    filled[:, : inner.shape[1]] = inner
    lanes = np.arange(32)[:, None]
    rows = lanes % 4 * 2 + np.array([0, 1, 8, 9])
    return filled.reshape(out_groups, steps, 16, 8)[:, :, rows, lanes // 4].ravel()
