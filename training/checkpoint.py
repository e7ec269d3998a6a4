"""Files of tensors: written whole or not at all, read without executing anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError, LutFuseError

CHECKPOINT = "checkpoint.pt"
"""Name of the state of a run in its output folder."""


def write_tensors(content: dict[str, Any], path: str | Path) -> None:
    """Write nested dictionaries of tensors and plain values.

    Raises:
        LutFuseError: If it cannot.
    """
    with atomic_write(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError:  # torch's own word for what the system refused
            raise LutFuseError(f"cannot write {path}; is the disk full?") from None


def read_tensors(path: str | Path) -> dict[str, Any]:
    """Read what `write_tensors` wrote, on the CPU.

    Raises:
        InputError: If it is anything else.
    """
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


def read_checkpoint(run: Path, structure: dict[str, Any] | None = None) -> dict[str, Any]:
    """The state that a run in this folder saved last: module, structure, step, and so on.

    Args:
        run: The output folder.
        structure: Of the network that it is for; None if any will do.

    Returns:
        The state by name.

    Raises:
        InputError: If there is none, or one of a network of another structure.
    """
    content = read_tensors(run / CHECKPOINT)
    missing = {"module", "structure", "optimizer", "scaler", "step", "seconds"} - content.keys()
    if missing == {"structure"}:
        raise InputError(
            f"{run / CHECKPOINT} is of an earlier version of this program; go on from the run's "
            "model.safetensors instead"
        )
    if missing:
        raise InputError(f"{run / CHECKPOINT} holds no run (it lacks {', '.join(sorted(missing))})")
    if structure is not None:
        check_structure(run, content["structure"], structure)
    return content


def check_structure(run: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise InputError, naming what differs, if these describe different networks."""
    differing = [
        f"{key} {found.get(key)} instead of {wanted.get(key)}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    ]
    if differing:
        raise InputError(
            f"the run in {run} has another structure ({', '.join(differing)}); give the same "
            "configuration"
        )
