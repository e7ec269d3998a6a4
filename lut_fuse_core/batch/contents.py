"""The files of an input or an output: which there are, their sizes, their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from lut_fuse_core.batch.storage import is_remote, reaching


def files_in(path: Path) -> list[Path]:
    """List the files of an input or an output.

    Args:
        path: A file or folder.

    Returns:
        The file, or all files below the folder, sorted.
    """
    if path.is_file():
        return [path]
    return sorted(each for each in path.rglob("*") if each.is_file())


def extent(paths: tuple[Path, ...]) -> tuple[int, int]:
    """The size of files and folders, and when they were last changed.

    Args:
        paths: Files and folders.

    Returns:
        Bytes in all, and nanoseconds since 1970; 0 without files.

    Raises:
        OSError: If they cannot be read.
    """
    facts = [file.stat() for path in paths for file in files_in(path)]
    times = [getattr(each, "st_mtime_ns", 0) or round(each.st_mtime * 1e9) for each in facts]
    return sum(each.st_size for each in facts), max(times, default=0)


def content_hash(paths: tuple[Path, ...]) -> str:
    """Hash the content of files and folders, and their names.

    Args:
        paths: Files and folders.

    Returns:
        BLAKE2b with 16 bytes, in hexadecimal; empty if they cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        for path in paths:
            for file in files_in(path):
                digest.update(str(file.relative_to(path.parent)).encode(errors="replace"))
                with file.open("rb") as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def sizes_of(output: Path) -> dict[str, int]:
    """The sizes of the files of an output.

    Args:
        output: A file or folder on this machine.

    Returns:
        Bytes by the path below the folder; by the empty string of an output that is a file.

    Raises:
        OSError: If they cannot be read.
    """
    if output.is_file():
        return {"": output.stat().st_size}
    return {str(file.relative_to(output)): file.stat().st_size for file in files_in(output)}


def what_is_missing(output: Path, sizes: Mapping[str, int]) -> str | None:
    """What an output lacks of what was written.

    Files that have come to it do not matter.

    Args:
        output: A file or folder, also in object storage.
        sizes: As `sizes_of` returned them when it was written.

    Returns:
        A few words on the first file that is missing or has another size; None if it is whole.

    Raises:
        OSError: If it cannot be read.
        UnreachableError: If object storage does not answer.
    """
    with reaching(output) if is_remote(output) else nullcontext():
        for name, size in sizes.items():
            try:
                now = (output / name if name else output).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return f"its output lacks {name}" if name else "its output is missing"
            if now != size:
                return f"its output has another {name}" if name else "its output is another file"
    return None if sizes else "its output is missing"
