"""Outputs never replace what they are made from."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lut_fuse_core.atomic import atomic_write, keep_apart, put_in_place, write_whole
from lut_fuse_core.errors import InputError


@pytest.mark.parametrize(
    ("output", "harmful", "relation"),
    [
        ("data/night", ("is",), "is"),
        ("data/day/../night", ("is",), "is"),
        ("data", ("is", "holds"), "holds"),
        ("data/night/fused/a", ("is", "lies in"), "lies in"),
    ],
)
def test_a_harmful_relation_to_an_input_is_refused_by_name(
    tmp_path: Path, output: str, harmful: tuple, relation: str
):
    given = tmp_path / "data" / "night"
    with pytest.raises(InputError, match=f"{relation} the input .*night; choose another output"):
        keep_apart(tmp_path / output, [tmp_path / "other", given], harmful)


@pytest.mark.parametrize("output", ["data", "data/night/fused", "data/nights"])
def test_what_does_no_harm_is_allowed(tmp_path: Path, output: str):
    keep_apart(tmp_path / output, [tmp_path / "data" / "night"])


def test_a_link_to_an_input_is_that_input(tmp_path: Path):
    given = tmp_path / "night.png"
    given.touch()
    link = tmp_path / "link.png"
    link.symlink_to(given)
    with pytest.raises(InputError, match="is the input"):
        keep_apart(link, [given])


def test_a_pipe_or_device_is_no_output_and_stays_what_it_is(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="no ordinary file"), atomic_write(pipe) as temporary:
        temporary.write_text("content")
    with pytest.raises(InputError, match="no ordinary file"):
        write_whole(pipe, b"content")
    assert pipe.is_fifo()


def test_a_file_that_is_written_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_whole(tmp_path / "image.jpg", b"0123456789")
    assert (tmp_path / "image.jpg").read_bytes() == b"0123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["image.jpg"]


def test_a_file_for_which_there_is_no_room_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "image.jpg"
    write_whole(target, b"before")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=str(target)):
        write_whole(target, b"after")
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_missing_is_named(tmp_path: Path):
    target = tmp_path / "missing" / "image.jpg"
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(target, b"content")
    assert caught.value.filename == str(target)


def test_what_cannot_be_replaced_stays_where_it_was(tmp_path: Path):
    target = tmp_path / "bag"
    target.mkdir()
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", target, tmp_path / "aside")
    assert target.is_dir()
