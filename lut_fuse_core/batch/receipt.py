"""What a worker leaves beside the outputs when one is finished, for a driver that was killed."""

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
"""Of receipts, in the folder of the outputs."""


def write_receipt(path: Path, outcome: Outcome) -> None:
    """Note what became of a task.

    Args:
        path: The receipt.
        outcome: What became of it.

    Raises:
        OSError: It cannot be written.
        UnreachableError: The same in object storage.
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
    """What became of a task whose worker finished; None if it did not."""
    with reaching(path) if is_remote(path) else nullcontext():
        if not path.exists():
            return None
        facts = json.loads(path.read_text(encoding="utf-8"))
    facts["thumbnail"] = base64.b64decode(facts["thumbnail"])
    return Outcome(**facts)


def remove_receipt(path: Path) -> None:
    """Remove it, where it is noted elsewhere."""
    with reaching(path) if is_remote(path) else nullcontext():
        path.unlink(missing_ok=True)


def remove_receipts(output: Path) -> None:
    """Remove the folder of the receipts of outputs, once all are noted."""
    if not is_remote(output):
        shutil.rmtree(output / RECEIPTS, ignore_errors=True)
