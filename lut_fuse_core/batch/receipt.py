"""Receipts: files in which workers note finished tasks, in case the main process is killed."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.storage import is_remote, reaching

RECEIPTS = ".batch"
"""Name of the folder of receipts, in that of the outputs."""


def write_receipt(path: Path, outcome: Outcome) -> None:
    """Write the receipt of a task.

    Args:
        path: The receipt; its folder is made where it is missing.
        outcome: Outcome of the task.

    Raises:
        OSError: If it cannot be written.
        UnreachableError: If it cannot be written to object storage.
    """
    facts = dataclasses.asdict(outcome)
    facts["thumbnail"] = base64.b64encode(outcome.thumbnail).decode()
    text = json.dumps(facts)
    if is_remote(path):
        with reaching(path):
            path.write_text(text, encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_receipt(path: Path) -> Outcome | None:
    """Read the receipt of a task.

    Args:
        path: The receipt.

    Returns:
        Outcome of the task; None if there is no receipt.

    Raises:
        OSError: If it cannot be read.
        UnreachableError: If object storage does not answer.
    """
    with reaching(path) if is_remote(path) else nullcontext():
        if not path.exists():
            return None
        facts = json.loads(path.read_text(encoding="utf-8"))
    facts["thumbnail"] = base64.b64decode(facts["thumbnail"])
    return Outcome(**facts)


def remove_receipt(path: Path) -> None:
    """Remove a receipt whose content is noted elsewhere; a missing one is fine.

    Args:
        path: The receipt.

    Raises:
        OSError: If it cannot be removed.
        UnreachableError: If object storage does not answer.
    """
    with reaching(path) if is_remote(path) else nullcontext():
        path.unlink(missing_ok=True)


def remove_receipts(output: Path) -> None:
    """Remove the folder of receipts once all are noted; object storage has no folders.

    Args:
        output: Folder of the outputs.
    """
    if not is_remote(output):
        shutil.rmtree(output / RECEIPTS, ignore_errors=True)
