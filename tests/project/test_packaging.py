"""What pip puts on the PATH."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_pip_installs_commands_of_our_own_names_only(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="64", reason="no setuptools to build with")
    source = tmp_path / "source"
    source.mkdir()
    for path in ROOT.iterdir():  # metadata is written beside setup.py
        if path.name.startswith((".", "build")) or path.suffix == ".egg-info":
            continue
        (source / path.name).symlink_to(path)
    (source / "setup.py").unlink()
    (source / "setup.py").write_bytes((ROOT / "setup.py").read_bytes())
    prepare = (
        "import sys; from setuptools import build_meta;"
        "print(build_meta.prepare_metadata_for_build_wheel(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", prepare, str(tmp_path)]
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    (listed,) = tmp_path.glob("*.dist-info/entry_points.txt")
    entries = configparser.ConfigParser(delimiters="=")
    entries.read(listed)
    assert set(entries["console_scripts"]) == {"lut-fuse", "lut-fuse-train"}
