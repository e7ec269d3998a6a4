"""What a model holds, for people, and its parts in formats that other programs read."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.model.features import AMBIENT_GRID, AMBIENT_RANK
from lut_fuse_core.model.file import tensor_hash
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx

AMBIENT = {
    "grid": AMBIENT_GRID,
    "rank": AMBIENT_RANK,
    "ambient": "BT.601 luma below which rank of grid x grid evenly spread pixels lie",
}
"""How an ambient level is measured; see `features.ambient`."""


def summary(model: FusionModel) -> dict[str, Any]:
    """JSON-serializable facts: everything that is needed to use the model's tensors."""
    encoder = {key: value for key, value in asdict(model.encoder).items() if key != "blocks"}
    tensors = model.tensors()
    return {
        "name": model.name,
        "time_stable": model.time_stable,
        "numbers": sum(tensor.size for tensor in tensors.values()),
        "axes": [asdict(axis) for axis in model.axes],
        "gradient": asdict(model.gradient),
        "scenes": {"levels": list(model.levels), **AMBIENT},
        "encoder": {
            **encoder,
            "stride": model.encoder.stride,
            "channels": [block.weight.shape[0] for block in model.encoder.blocks],
            "normalizes_per_frame": model.encoder.per_frame,
            "int8": model.encoder.ranges_known,
        },
        "sha256": tensor_hash(tensors),
        "provenance": model.provenance,
    }


def export_model(model: FusionModel, folder: str | Path) -> list[Path]:
    """Write ``encoder.onnx``, ``lattices.npy`` and ``model.json``.

    Args:
        model: The model.
        folder: Is made if need be.

    Returns:
        The paths of the files.

    Raises:
        OSError: If the folder cannot be written.
    """
    contents = {
        "encoder.onnx": encoder_to_onnx(model.encoder),
        "lattices.npy": _npy(model.lattices),
        "model.json": json.dumps(summary(model), indent=2).encode(),
    }
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with atomic_write(target / name) as temporary:
            temporary.write_bytes(content)
    return [target / name for name in contents]


def _npy(array: FloatArray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()
