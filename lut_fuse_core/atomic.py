"""Output files that are either complete or not there: written aside, then renamed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
