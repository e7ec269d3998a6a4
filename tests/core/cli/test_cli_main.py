"""The command as a whole: exit statuses and what happens to its output."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lut_fuse_core.cli import SUBCOMMANDS, main
from lut_fuse_core.cli.extras import EXTRAS, REQUIRED

ROOT = Path(__file__).parents[3]

COMMAND = [sys.executable, "-c", "import sys; from lut_fuse_core.cli import main; sys.exit(main())"]


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert len(capsys.readouterr().out) > 200


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [*COMMAND, "model", "info", "default"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert finished.stderr == ""
    assert finished.returncode == 141


def without(
    packages: Sequence[str], *words: str, end: str = "sys.exit(main(sys.argv[1:]))"
) -> subprocess.CompletedProcess[str]:
    """The command, or another end of the program, where packages are not installed."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({packages!r}));"
        f"from lut_fuse_core.cli import main\n{end}"
    )
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


SEVERAL = """
for words in (["--help"], ["backends", "--help"], ["fuse", "--help"], ["model", "info"]):
    try:
        status = main(words)
    except SystemExit as ended:
        status = ended.code
    assert status == 0, words
"""


def test_what_is_not_needed_is_not_imported() -> None:
    done = without([name for names in EXTRAS.values() for name in names], end=SEVERAL)
    assert done.returncode == 0, done.stderr


def test_a_missing_extra_is_one_sentence_with_the_command_that_brings_it() -> None:
    done = without(["rosbags"], "bag", "in", "out")
    assert done.returncode == 1
    assert done.stderr == (
        "lut-fuse: this needs the Python package 'rosbags', which is not installed; run "
        "\"pip install 'lut_fuse_ros[bags]'\", or '.[bags]' in the package's folder\n"
    )


def test_a_missing_package_that_is_always_needed_goes_by_the_name_it_is_installed_by() -> None:
    done = without(["cv2"], "backends")
    assert done.returncode == 1
    assert done.stderr == (
        "lut-fuse: the Python package 'opencv-python-headless' is not installed; run 'pip install "
        "opencv-python-headless', or 'sudo apt install python3-opencv' for the system's Python\n"
    )


@pytest.mark.parametrize("module", REQUIRED)
def test_what_is_always_needed_is_declared_for_pip_and_for_rosdep(module: str) -> None:
    of_pip, of_apt = REQUIRED[module]
    lines = importlib.metadata.requires("lut_fuse_ros") or []
    assert of_pip in {re.split("[ ;<=>!]", line)[0].lower() for line in lines}
    assert f"<exec_depend>{of_apt}</exec_depend>" in (ROOT / "package.xml").read_text("utf-8")


NAMED_OTHERWISE = {"rerun": "rerun-sdk", "upath": "universal-pathlib"}
"""Packages by their modules, where they may not be installed."""


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_the_packages_it_is_named_for(extra: str) -> None:
    lines = importlib.metadata.requires("lut_fuse_ros") or []
    ours = [line for line in lines if re.search(rf"extra == [\"']{extra}[\"']", line)]
    brought = {re.split("[ ;<=>!]", line)[0] for line in ours}
    providers = importlib.metadata.packages_distributions()
    for module in EXTRAS[extra]:
        # Some readers are there for later Pythons only, so that their names must do.
        names = providers.get(module, [NAMED_OTHERWISE.get(module, module)])
        names = {name.replace("_", "-") for name in names}
        assert brought & names, module
