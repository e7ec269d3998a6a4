"""What `make` takes for a reason to install again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {".cfg", ".cpp", ".h", ".hpp", ".inl", ".py", ".toml"}


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_nothing_that_a_build_or_python_writes_makes_the_next_target_install_again() -> None:
    command = ["make", "--print-data-base", "--dry-run", "--no-builtin-rules", "demo"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    (line,) = (each for each in said.splitlines() if each.startswith("BUILD_INPUTS"))
    inputs = [Path(word) for word in line.split()[2:]]
    assert {path.suffix for path in inputs} == SOURCES
    assert set(ROOT.glob("lut_fuse_core/native/*.cpp")) <= {ROOT / path for path in inputs}
