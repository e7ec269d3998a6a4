"""A key that is there twice in a YAML file is said, instead of quietly replacing the first."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.unique_keys import load_yaml
from lut_fuse_core.registration.document import read_document


@pytest.mark.parametrize("text", ["a: 1\na: 1", "a: {b: 1, b: 2}", "- {1: a, 1: b}"])
def test_a_key_that_is_there_twice_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="is there twice"):
        load_yaml(text)


def test_everything_else_is_read_as_ever() -> None:
    text = "base: &base {a: 1, b: 2}\nmine: {<<: *base, b: 3}\n? [1, 2]\n: list\n"
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)  # lists are no keys
    text = text.partition("? ")[0] + "other: {a: 1}\n1: one\n"
    assert load_yaml(text) == yaml.safe_load(text)


def test_a_calibration_with_a_matrix_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text("K: [1, 0, 0]\nsize: [640, 480]\nK: [2, 0, 0]\n")
    with pytest.raises(InputError, match="is there twice"):
        read_document(path)
