"""Outputs never replace what they are made from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lut_fuse_core.atomic import atomic_write, keep_apart, put_in_place
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
    assert pipe.is_fifo()


def test_what_cannot_be_replaced_stays_where_it_was(tmp_path: Path):
    target = tmp_path / "bag"
    target.mkdir()
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", target, tmp_path / "aside")
    assert target.is_dir()
