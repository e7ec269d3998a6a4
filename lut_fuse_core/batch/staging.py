"""Outputs are made aside, then noted, then put in their place: a kill loses nothing finished.

Once the receipt of a task exists its output is complete: in its place, or beside it, from where
any process can move it there.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lut_fuse_core.atomic import put_in_place
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.receipt import read_receipt, remove_receipt, write_receipt
from lut_fuse_core.batch.storage import deliver, is_remote, scratch_folder

_PARTIAL = re.compile(r"\.(.+)\.[0-9a-f]{8}\.partial")
"""Name of a folder in which an output is being made; it contains the name of the output."""


@contextmanager
def staged(target: Path, receipt: Path | None) -> Iterator[Path]:
    """Make room for an output; what is left there when the block ends is removed.

    Args:
        target: Place of the output.
        receipt: Receipt of the task; None for none.

    Yields:
        Where to make the output: beside its place, for object storage in a temporary folder.

    Raises:
        OSError: If the folder cannot be made.
    """
    if is_remote(target):
        with scratch_folder() as folder:
            yield folder / target.name
        return
    place = _place(target, receipt)
    try:
        shutil.rmtree(place.parent, ignore_errors=True)  # of an attempt that was killed
        place.parent.mkdir(parents=True)
        yield place
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)


def commit(place: Path, target: Path, receipt: Path | None, outcome: Outcome) -> None:
    """Note that an output is complete, and put it in its place.

    Object storage cannot rename, so there the receipt comes last.

    Args:
        place: Where the output was made, as `staged` yields it.
        target: Its place; what is there is replaced.
        receipt: Receipt of the task; None for none.
        outcome: Outcome of the task.

    Raises:
        OSError: If it cannot be put there; then what was there stays, and there is no receipt.
        UnreachableError: If object storage does not answer; then there is no receipt.
    """
    if is_remote(target):
        deliver(place, target)
    if receipt is not None:
        write_receipt(receipt, outcome)
    if not is_remote(target):
        try:
            _put(place, target)
        except BaseException:
            if receipt is not None:
                remove_receipt(receipt)
            raise


def finished(target: Path, receipt: Path | None) -> Outcome | None:
    """The outcome of a task that was finished before; its output is put in its place.

    Args:
        target: Place of the output.
        receipt: Receipt of the task; None for none.

    Returns:
        The outcome; None if the task was not finished.

    Raises:
        OSError: If the receipt cannot be read, or the output cannot be put in its place.
        UnreachableError: If object storage does not answer.
    """
    outcome = None if receipt is None else read_receipt(receipt)
    if outcome is not None and not is_remote(target):
        place = _place(target, receipt)
        if place.exists():
            _put(place, target)
        shutil.rmtree(place.parent, ignore_errors=True)
    return outcome


def remove_leftovers(targets: Iterable[Path]) -> None:
    """Remove what killed processes left beside outputs; object storage keeps no partial ones.

    Args:
        targets: Places of the outputs.
    """
    names: dict[Path, set[str]] = defaultdict(set)
    for target in targets:
        if not is_remote(target):
            names[target.parent].add(target.name)
    for folder, known in names.items():
        for path in folder.iterdir() if folder.is_dir() else ():
            match = _PARTIAL.fullmatch(path.name)
            if match is not None and match[1] in known:
                shutil.rmtree(path, ignore_errors=True)


def _place(target: Path, receipt: Path | None) -> Path:
    """Where an output is made: always the same for the same receipt."""
    mark = (uuid.uuid4().hex if receipt is None else receipt.stem)[:8]
    return target.with_name(f".{target.name}.{mark}.partial") / target.name


def _put(place: Path, target: Path) -> None:
    put_in_place(place, target, place.parent / ".replaced")
    shutil.rmtree(place.parent, ignore_errors=True)
