"""What all tests share: reference data, random models, a random generator."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model

from lut_fuse_core.cli import main
from lut_fuse_core.model.file import save_model
from lut_fuse_core.model.fusion_model import FusionModel

ToolResult = tuple[int, str, str]

SHARED = Path(__file__).parents[1].parent / "shared"

# Each word of a help text would be looked up in catalogs of other languages, which are not there.
os.environ["LANGUAGE"] = "C"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests, and what they import, are there to stay: no garbage is among them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference data beside the checkout; tests that need it are skipped without."""
    if not SHARED.is_dir():
        pytest.skip("no reference data: there is no folder 'shared' beside the checkout")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., FusionModel]:
    """Factory of random models; see `random_model`."""
    return random_model


@pytest.fixture
def model() -> FusionModel:
    """A small time-stable model with random contents."""
    return random_model()


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model on disk, whose encoder sees an eighth of the resolution, as ours."""
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_model(random_model(unshuffle=2, pool=4), path)
    return path


@pytest.fixture
def run_tool(model_file: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., ToolResult]:
    """Run a subcommand of `lut-fuse` with that model; returns exit status, stdout and stderr."""

    def run(*words: object) -> ToolResult:
        status = main([*map(str, words), "--model", str(model_file), "--backend", "reference"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
