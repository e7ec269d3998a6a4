"""Reading safetensors files with NumPy alone, so that a robot needs nothing else for its model.

The format: the header's length in 8 bytes, the header in JSON (for each tensor its type, shape and
place; under ``__metadata__`` strings of the writer), then the numbers, little-endian, one tensor
after the other. Source: the format's description in the safetensors project.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I8": "i1", "U8": "u1", "I16": "<i2",
           "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"}  # fmt: skip


def read_safetensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Read a whole file.

    Args:
        path: Of the file.

    Returns:
        The tensors by name, and the metadata that the writer added.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not a complete safetensors file.
        TypeError: If it holds numbers of a type that NumPy does not have.
    """
    content = bytearray(path.read_bytes())  # so that the arrays can be written to
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise ValueError("its header is longer than the file")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = header.pop("__metadata__", None) or {}
        tensors = {name: (e["dtype"], e["shape"], *e["data_offsets"]) for name, e in header.items()}
    except (UnicodeDecodeError, RecursionError, AttributeError, KeyError, TypeError):
        raise ValueError("its header is damaged") from None
    numbers = memoryview(content)[8 + length :]
    _check_places([tuple(tensor[2:]) for tensor in tensors.values()], len(numbers))
    return {
        name: _array(numbers[start:end], kind, shape)
        for name, (kind, shape, start, end) in tensors.items()
    }, metadata


def _check_places(places: list[tuple[Any, ...]], size: int) -> None:
    """Raise ValueError unless the tensors fill the file, one after the other."""
    if not all(type(number) is int for place in places for number in place):
        raise ValueError("its header is damaged")
    expected = 0
    for start, end in sorted(places):
        if start != expected or end < start:
            raise ValueError("its tensors overlap or leave gaps")
        expected = end
    if expected != size:
        raise ValueError(f"it holds {size} bytes of numbers where {expected} belong")


def _array(numbers: memoryview, kind: object, shape: Any) -> npt.NDArray[Any]:
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("its header is damaged")
    if kind not in _DTYPES:
        raise TypeError(f"numbers of type {kind}")
    dtype = np.dtype(_DTYPES[str(kind)])
    if len(numbers) != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor's shape does not fit its place")
    return np.frombuffer(numbers, dtype).reshape(shape)
