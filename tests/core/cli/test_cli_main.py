"""The command as a whole: exit statuses and what happens to its output."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lut_fuse_core.cli import SUBCOMMANDS, main

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
