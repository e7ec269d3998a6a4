"""Reading and writing models: one safetensors file, checked completely on loading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import ModelError
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.fusion_model import Axis, FusionModel, GradientSpec
from lut_fuse_core.model.safetensors_reader import read_safetensors

FORMAT_VERSION = 5
"""The one that is written and read. Those before it were never released."""

HEADER_KEY = "lut_fuse"
RANGES_KEY = "input_ranges"
MODELS_FOLDER = Path(__file__).parents[1] / "models"


def save_model(model: FusionModel, path: str | Path) -> None:
    """Write a model file; an existing file is replaced only once the new one is complete.

    Args:
        model: What to write.
        path: Of the file, ``.safetensors`` by convention.

    Raises:
        OSError: If the folder does not exist or the disk is full.
        ModelError: Without the safetensors package.
    """
    try:
        from safetensors.numpy import save as serialize
    except ImportError as error:
        raise ModelError(
            f"writing model files needs safetensors ({error}); run 'pip install safetensors'"
        ) from None
    tensors = {name: np.ascontiguousarray(array) for name, array in model.tensors().items()}
    encoder = {k: v for k, v in asdict(model.encoder).items() if k != "blocks"}
    header: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "levels": list(model.levels),
        "axes": [asdict(axis) for axis in model.axes],
        "gradient": asdict(model.gradient),
        "encoder": encoder,
        "provenance": model.provenance,
        "sha256": tensor_hash(tensors),
    }
    if model.encoder.ranges_known:
        header[RANGES_KEY] = [block.input_range for block in model.encoder.blocks]
    with atomic_write(path) as temporary:
        temporary.write_bytes(serialize(tensors, metadata={HEADER_KEY: json.dumps(header)}))


def load_model(source: str | Path) -> FusionModel:
    """Read and validate a model by name (``default``) or path.

    Args:
        source: Name of a model that comes with the package, or path of a file.

    Returns:
        The model.

    Raises:
        ModelError: If the file is missing, truncated, altered, of another format version,
            inconsistent, or holds numbers that are not finite; says what is wrong and what to do.
    """
    path = model_path(source)
    tensors, header = _read(path)
    try:
        model = _assemble(tensors, header)
    except ModelError as error:
        raise ModelError(f"{path} is not a usable model: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(
            f"{path} has a damaged header ({type(error).__name__}: {error}); export it again"
        ) from None
    return model


def model_path(source: str | Path) -> Path:
    """The file behind a model name or path.

    Raises:
        ModelError: If there is none.
    """
    path = Path(source)
    if path.is_file():
        return path
    bundled = MODELS_FOLDER / f"{source}.safetensors"
    if bundled.is_file():
        return bundled
    names = ", ".join(sorted(p.stem for p in MODELS_FOLDER.glob("*.safetensors")))
    raise ModelError(f"no model file '{source}'; give a path to one, or one of the names: {names}")


def tensor_hash(tensors: dict[str, FloatArray]) -> str:
    """SHA-256 over names, shapes and little-endian contents, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    try:
        tensors, metadata = read_safetensors(path)
        header = json.loads(metadata.get(HEADER_KEY, "null"))
    except (TypeError, AttributeError):
        raise ModelError(f"{path} holds numbers of a kind that no LUT-Fuse model has") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read as a model file ({error}); it may be truncated, copy it again"
        ) from None
    if not isinstance(header, dict):
        raise ModelError(
            f"{path} is a safetensors file but not a LUT-Fuse model; make one with 'lut-fuse model'"
        )
    version = header.get("format")
    if not isinstance(version, int) or version < 1:
        raise ModelError(f"{path} states no valid format version; export it again")
    if version < FORMAT_VERSION:
        raise ModelError(
            f"{path} has format {version}, from before the first release; make it again with "
            "'lut-fuse model import', or train it again"
        )
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path} has format {version}, this version reads up to {FORMAT_VERSION}; "
            "upgrade lut_fuse_ros"
        )
    if header.get("sha256") != tensor_hash(tensors):
        raise ModelError(f"{path} was altered after export (its hash differs); copy it again")
    return tensors, header


def _assemble(tensors: dict[str, FloatArray], header: dict[str, Any]) -> FusionModel:
    count = sum(1 for name in tensors if name.endswith(".weight"))
    ranges = header.get(RANGES_KEY) or [None] * count
    if len(ranges) != count:
        raise ModelError(f"it has {len(ranges)} input ranges for {count} convolutions")
    blocks = tuple(
        ConvBlock(
            tensors[f"encoder.{index}.weight"],
            tensors[f"encoder.{index}.bias"],
            tensors.get(f"encoder.{index}.gain"),
            tensors.get(f"encoder.{index}.offset"),
            input_range=None if ranges[index] is None else float(ranges[index]),
        )
        for index in range(count)
    )
    luma, infrared, gradient, context = (Axis(**axis) for axis in header["axes"])
    return FusionModel(
        lattices=tensors["lattices"],
        axes=(luma, infrared, gradient, context),
        gradient=GradientSpec(**header["gradient"]),
        encoder=ContextEncoder(blocks=blocks, **header["encoder"]),
        levels=tuple(float(level) for level in header["levels"]),
        provenance=dict(header["provenance"]),
    )
