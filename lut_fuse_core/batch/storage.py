"""Inputs and outputs in object storage (S3, Google Cloud Storage, ...), through fsspec.

A remote location is a `UPath`, which has the methods of a `Path`; it is typed as one here. Workers
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
"""What file systems need besides the extra `cluster`; see setup.py."""

MANIFEST = "batch.sqlite"
"""The file beside a batch's outputs that lists them."""

METADATA = "metadata.yaml"
"""Of a bag: uploaded last, so that a folder with it is a whole bag."""


class UnreachableError(InputError):
    """Storage did not answer, or refused: that may pass."""


def location(text: str, base: Path) -> Path:
    """The absolute path of a file or folder, or its place in object storage.

    Args:
        text: A path, ``file://`` path, or address such as ``s3://bucket/folder``.
        base: Folder that relative paths start from.

    Raises:
        InputError: For an address of a kind that fsspec does not know.
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
    """Whether it lies in object storage."""
    return not isinstance(path, Path)


@contextmanager
def reaching(place: object) -> Iterator[None]:
    """Let whatever goes wrong with a remote place end as one sentence.

    Raises:
        UnreachableError: For every error of the file system, whose kinds each library chooses.
        ModuleNotFoundError: The library of this file system is not installed.
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
    except Exception as error:  # every file system has errors of its own
        raise UnreachableError(f"{place} cannot be reached ({_line(error)})") from None


def _line(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) < 200 else f"{words[:200]} ..."


def list_once(place: Path) -> None:
    """List a remote place, so that questions about what is in it need no further request.

    Raises:
        UnreachableError: It does not answer.
    """
    remote: Any = place
    with reaching(place):
        remote.fs.invalidate_cache()
        remote.fs.find(remote.path)


def check_writable(place: Path) -> None:
    """Write and remove a small object.

    Raises:
        UnreachableError: It does not answer, or refuses.
    """
    probe = place / ".lut-fuse-probe"
    with reaching(place):
        probe.write_bytes(b"probe")
        probe.unlink()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for local copies, removed at the end; ``TMPDIR`` says where."""
    folder = Path(tempfile.mkdtemp(prefix="lut-fuse-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fetch(place: Path, folder: Path) -> Path:
    """Copy a remote file or folder into a local folder; its local path.

    Raises:
        UnreachableError: It cannot be read.
    """
    remote: Any = place
    local = folder / place.name
    with reaching(place):
        remote.fs.invalidate_cache()
        recursive = remote.fs.isdir(remote.path)
        remote.fs.get(remote.path.rstrip("/"), str(local), recursive=recursive)
    return local


def deliver(local: Path, place: Path) -> None:
    """Copy a local file or folder to a remote place, a bag's metadata last.

    What was copied is removed again where the rest cannot be.

    Raises:
        UnreachableError: It cannot be written.
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
