"""Outputs are made aside, then noted, then put in their place: a kill at any moment loses nothing.

Once the receipt of a task is there, its output is complete: in its place, or beside it, from where
any process can put it there.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.receipt import read_receipt, remove_receipt, write_receipt
from lut_fuse_core.batch.storage import deliver, is_remote, scratch_folder

_PARTIAL = re.compile(r"\.(.+)\.[0-9a-f]{8}\.partial")
"""Name of a folder in which an output is being made, with that of the output."""


@contextmanager
def staged(target: Path, receipt: Path | None) -> Iterator[Path]:
    """Yield where the output is to be made; what is still there at the end is removed.

    Args:
        target: Where it is to be in the end.
        receipt: Of the task; None for none.

    Raises:
        OSError: There is no place for it.
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

    Raises:
        OSError: It cannot be put there; then there is no receipt either.
        UnreachableError: The same of object storage.
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
    """What became of a task whose output is complete, which is in its place then; else None."""
    outcome = None if receipt is None else read_receipt(receipt)
    if outcome is not None and not is_remote(target):
        place = _place(target, receipt)
        if place.exists():
            _put(place, target)
        shutil.rmtree(place.parent, ignore_errors=True)
    return outcome


def remove_leftovers(targets: Iterable[Path]) -> None:
    """Remove what killed processes left beside these targets; object storage keeps no parts."""
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
    """Where an output is made; the same again for the same task."""
    mark = (uuid.uuid4().hex if receipt is None else receipt.stem)[:8]
    return target.with_name(f".{target.name}.{mark}.partial") / target.name


def _put(place: Path, target: Path) -> None:
    if target.exists():
        target.rename(place.parent / ".replaced")
    place.rename(target)
    shutil.rmtree(place.parent, ignore_errors=True)
