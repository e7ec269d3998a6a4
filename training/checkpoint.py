"""Files of tensors: written whole or not at all, read without executing anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError

CHECKPOINT = "checkpoint.pt"
"""Name of the state of a run in its output folder."""


def write_tensors(content: dict[str, Any], path: str | Path) -> None:
    """Write nested dictionaries of tensors and plain values."""
    with atomic_write(path) as temporary:
        torch.save(content, temporary)


def read_tensors(path: str | Path) -> dict[str, Any]:
    """Read what `write_tensors` wrote, on the CPU. Raises InputError if it is anything else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"no file {path}") from None
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        cause = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path} is not a file of this program's tensors ({cause})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no checkpoint")
    return content
