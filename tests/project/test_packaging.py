"""What pip puts on the PATH, and what a robot needs from apt."""

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


FROM_APT = {"numpy", "cv2", "yaml", "google", "tqdm"}
"""Modules of the packages that package.xml names."""


def test_a_robot_needs_nothing_but_what_package_xml_names() -> None:
    program = (
        "import sys, sysconfig; from pathlib import Path;"
        "import lut_fuse_core.pipeline, lut_fuse_core.calibration.from_pairs;"
        "import lut_fuse_core.calibration.from_board, lut_fuse_core.registration.file;"
        "import lut_fuse_core.synthetic, lut_fuse_core.io.ros_messages;"
        "from lut_fuse_core.backends import create_backend;"
        "from lut_fuse_core import load_model;"
        "[create_backend(name, load_model('default'), 1) for name in ('native', 'cpu')];"
        "site = Path(sysconfig.get_path('purelib'));"
        "files = [getattr(m, '__file__', None) for m in list(sys.modules.values())];"
        "inside = [Path(f).relative_to(site) for f in files if f and site in Path(f).parents];"
        "print(*{part.parts[0].partition('.')[0] for part in inside})"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    third_party = {name for name in done.stdout.split() if not name.startswith(("_", "lut_fuse"))}
    assert third_party <= FROM_APT


def test_package_xml_names_what_a_robot_needs() -> None:
    package = (ROOT / "package.xml").read_text(encoding="utf-8")
    for key in ("numpy", "opencv", "yaml", "protobuf", "tqdm"):
        assert f"<exec_depend>python3-{key}</exec_depend>" in package, key
