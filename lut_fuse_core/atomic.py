"""Outputs that are either complete or not there, and never replace what they are made from."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lut_fuse_core.errors import InputError

Relation = Literal["is", "holds", "lies in"]
"""How an output may lie to an input: the same file or folder, a folder above it, or within it."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends without an error.

    The temporary name keeps the suffix, so that writers which look at it (OpenCV) behave the same,
    and nothing else, since long names may be as long as names can be.
    After an error the temporary file is removed and an existing ``path`` is left as it was.
    """
    target = Path(path)
    temporary = target.with_name(f".{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(target)  # the one that the user knows
        raise
    finally:
        temporary.unlink(missing_ok=True)


def keep_apart(output: Path, inputs: Sequence[Path], harmful: Sequence[Relation] = ("is",)) -> None:
    """Refuse an output that would replace, or mix with, an input.

    Args:
        output: File or folder to be written; it need not exist.
        inputs: Files and folders that are read.
        harmful: What the output must not be to any of them.

    Raises:
        InputError: If it is.
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
