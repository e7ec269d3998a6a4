"""Outputs never replace what they are made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lut_fuse_core.atomic import keep_apart
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
