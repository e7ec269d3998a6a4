"""Inputs and outputs in object storage (S3, Google Cloud Storage, ...), through fsspec.

A remote location is a `UPath`, which has the methods of a `Path` and is typed as one here. Workers
fuse local copies.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lut_fuse_core.errors import InputError, LutFuseError

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""Packages that file systems need besides the extra `cluster`, see setup.py."""

MANIFEST = "batch.sqlite"
"""Name of the database that lists the outputs of a batch."""

METADATA = "metadata.yaml"
"""File of a bag that is uploaded last, so that a folder with it is a whole bag."""


class UnreachableError(InputError):
    """Storage did not answer, or refused; that may pass."""


def location(text: str, base: Path) -> Path:
    """Parse the path of a file or folder, or its address in object storage.

    Args:
        text: A path, a ``file://`` address, or an address such as ``s3://bucket/folder``.
        base: Folder that relative paths start from.

    Returns:
        An absolute path, or a `UPath`.

    Raises:
        InputError: For an address of a kind that fsspec does not know.
        UnreachableError: If the storage cannot be used.
        ModuleNotFoundError: If universal_pathlib, or the library of the storage, is not installed.
    """
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme == "file":
        return Path(unquote(urlsplit(text).path))
    if not scheme:
        return (base / Path(text).expanduser()).absolute()
    from upath import UPath

    with reaching(text):
        place: Any = UPath(text)
        _ = place.fs
        return place


def is_remote(path: Path) -> bool:
    """Whether a path is an address in object storage."""
    return not isinstance(path, Path)


@contextmanager
def reaching(place: object) -> Iterator[None]:
    """Turn whatever a remote file system raises in the block into one sentence.

    Args:
        place: The address, for the sentence.

    Raises:
        InputError: For an address that cannot be used.
        UnreachableError: For every other error; each library has its own kinds.
        ModuleNotFoundError: If the library of the file system is not installed.
    """
    try:
        yield
    except LutFuseError:
        raise
    except ImportError as error:
        package = PACKAGES.get(str(place).partition("://")[0])
        if package is None:
            raise
        raise ModuleNotFoundError(str(error), name=package) from None
    except ValueError as error:
        raise InputError(f"{place} is no place that can be used ({_line(error)})") from None
    except Exception as error:  # each file system raises errors of its own
        raise UnreachableError(f"{place} cannot be reached ({_line(error)})") from None


def _line(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) < 200 else f"{words[:200]} ..."


def list_once(place: Path) -> None:
    """List a remote folder, so that looking into it needs no further requests.

    Args:
        place: The folder.

    Raises:
        UnreachableError: If the storage does not answer.
    """
    remote: Any = place
    with reaching(place):
        remote.fs.invalidate_cache()
        remote.fs.find(remote.path)


def check_writable(place: Path) -> None:
    """Check that a remote folder can be written, with a small object.

    Args:
        place: The folder.

    Raises:
        UnreachableError: If the storage does not answer, or refuses.
    """
    probe = place / ".lut-fuse-probe"
    with reaching(place):
        probe.write_bytes(b"probe")
        probe.unlink()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a temporary folder, below ``TMPDIR`` if that is set.

    Yields:
        The folder, which is removed when the block ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="lut-fuse-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fetch(place: Path, folder: Path) -> Path:
    """Copy a remote file or folder to this machine.

    Args:
        place: The file or folder.
        folder: Local folder to copy it to.

    Returns:
        Path of the copy.

    Raises:
        UnreachableError: If it cannot be read.
    """
    remote: Any = place
    local = folder / place.name
    with reaching(place):
        remote.fs.invalidate_cache()
        recursive = remote.fs.isdir(remote.path)
        remote.fs.get(remote.path.rstrip("/"), str(local), recursive=recursive)
    return local


def deliver(local: Path, place: Path) -> None:
    """Copy a local file or folder to a remote place, the metadata of a bag last.

    If that fails, what was copied is removed again.

    Args:
        local: The file or folder.
        place: Where to copy it.

    Raises:
        UnreachableError: If it cannot be written.
    """
    remote: Any = place
    files = [local] if local.is_file() else [each for each in local.rglob("*") if each.is_file()]
    files.sort(key=lambda each: (each.name == METADATA, each))
    root = remote.path.rstrip("/")
    sent: list[str] = []
    with reaching(place):
        try:
            if local.is_dir():
                _remove(remote.fs, f"{root}/{METADATA}")
            for file in files:
                target = root if file == local else f"{root}/{file.relative_to(local).as_posix()}"
                sent.append(target)
                remote.fs.put_file(str(file), target)
        except BaseException:
            for target in sent:
                with suppress(Exception):
                    _remove(remote.fs, target)
            raise


def _remove(file_system: Any, target: str) -> None:
    if file_system.exists(target):
        file_system.rm_file(target)
