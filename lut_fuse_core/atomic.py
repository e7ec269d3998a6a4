"""Outputs that are either complete or not there, and never replace what they are made from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lut_fuse_core.errors import InputError

Relation = Literal["is", "holds", "lies in"]
"""How an output relates to an input: the same file or folder, a folder above it, or within it."""

_BINARY = getattr(os, "O_BINARY", 0)
"""Which Windows needs, and others do not know."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Write a file that appears when the block ends without an error.

    After an error nothing is left behind, and an existing file stays as it was.

    Args:
        path: The file to write or replace, in a folder that exists.

    Yields:
        A temporary path in the same folder, to be written in the block.

    Raises:
        InputError: If ``path`` is a device or a pipe: it would be replaced by a file.
        OSError: If it cannot be written; names ``path``.
    """
    target = Path(path)
    temporary = _beside(target)
    try:
        yield temporary
        temporary.replace(target)
    except BaseException as error:
        _undo(error, temporary, target)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is complete or not there, as `atomic_write` does; with fewer calls, for
    files by the thousand.

    Args:
        path: The file to write or replace, in a folder that exists.
        data: What it is to hold.

    Raises:
        InputError: If ``path`` is a device or a pipe: it would be replaced by a file.
        OSError: If it cannot be written; names ``path``.
    """
    temporary = _beside(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o666)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            error.filename = str(path)  # which a descriptor does not tell
            raise
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException as error:
        _undo(error, temporary, path)
        raise


def _beside(target: Path) -> Path:
    """A temporary path in the folder of a file that may be replaced."""
    if not _is_ordinary(target):
        raise InputError(f"{target} is no ordinary file; choose another output")
    # The suffix is kept, since writers choose the format by it; the stem is not, since with
    # anything added to it the name might be too long.
    return target.with_name(f".{os.urandom(4).hex()}{target.suffix}")


def _undo(error: BaseException, temporary: Path, target: Path) -> None:
    """Remove what was written; and name the file that the user knows in the error."""
    # Not after a success: to look for a name keeps all who write to the folder waiting.
    temporary.unlink(missing_ok=True)
    if isinstance(error, OSError) and error.filename == str(temporary):
        error.filename = str(target)


def _is_ordinary(path: Path) -> bool:
    """Whether there is a file or folder, or nothing yet; with one call, as files are many."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return True  # whoever writes says what is wrong
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def put_in_place(new: Path, target: Path, aside: Path) -> None:
    """Rename a finished file or folder to its place; what was there stays if that fails.

    Args:
        new: What was made, on the same file system.
        target: Its place.
        aside: Where to keep what was in its place; removed by the caller.

    Raises:
        OSError: If it cannot be renamed.
    """
    if not target.exists():
        new.rename(target)
        return
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise


def keep_apart(output: Path, inputs: Sequence[Path], harmful: Sequence[Relation] = ("is",)) -> None:
    """Refuse an output that would replace, or mix with, an input.

    Args:
        output: File or folder to be written; it need not exist.
        inputs: Files and folders that are read.
        harmful: Relations that the output must have to none of them.

    Raises:
        InputError: If it has one; names both.
    """
    resolved = output.resolve()
    for each in inputs:
        source = each.resolve()
        relations: dict[Relation, bool] = {
            "is": resolved == source,
            "holds": resolved in source.parents,
            "lies in": source in resolved.parents,
        }
        for relation in harmful:
            if relations[relation]:
                raise InputError(f"{output} {relation} the input {each}; choose another output")
