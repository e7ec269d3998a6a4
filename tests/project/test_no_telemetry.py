"""Nothing leaves the machine, and nothing is written where nobody asked for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from watched import PYTHON, Traces, environment, watch

ROOT = Path(__file__).parents[2]

EVERY_MODULE = """
import importlib, pkgutil, lut_fuse_core
for module in pkgutil.walk_packages(lut_fuse_core.__path__, "lut_fuse_core."):
    if module.name.endswith(("__main__", "._native")):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:  # of an extra, or of the GPU's
        assert not str(error.name).startswith("lut_fuse"), error
"""

EVERY_COMMAND = """
import json, sys
from lut_fuse_core.cli import main
from lut_fuse_core.evaluation import benchmark
benchmark.SETTLE_SECONDS, benchmark.TURN_SECONDS, benchmark.LEAST_TURNS = 0.0, 0.001, 1
for words in json.loads(sys.argv[1]):
    assert main(words) == 0, words
"""

ALONE = ["--backend", "reference"]


STRACE = shutil.which("strace") is not None
"""The kernel sees what libraries do themselves; Python's audit hook is always there."""


def run(
    folder: Path,
    program: str,
    *arguments: str,
    hook: bool = True,
    kernel: bool = STRACE,
) -> Traces:
    work = folder / "work"
    work.mkdir()
    surroundings = environment(folder / "home")
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    command = [PYTHON, "-c", start + program, *arguments]
    return watch(command, work, surroundings, hook=hook, kernel=kernel)


def test_importing_every_module_opens_no_socket_and_writes_nothing(tmp_path: Path) -> None:
    traces = run(tmp_path, EVERY_MODULE)
    assert traces.sockets == []
    assert traces.outside() == set()


def test_every_command_writes_its_output_and_nothing_else_and_opens_no_socket(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    pytest.importorskip("rosbags", reason="bags need the extra 'bags'")
    pairs = tmp_path / "pairs"
    for side in ("visible", "infrared"):
        (pairs / side).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(pairs / side / name), image if side == "visible" else image[..., 0])
    out = tmp_path / "out"
    out.mkdir()
    commands = [
        ["demo", "-o", f"{out}/demo", "--size", "64x48", "--frames", "4", *ALONE],
        ["fuse", f"{pairs}/visible", f"{pairs}/infrared", "-o", f"{out}/fused", *ALONE],
        ["bag", f"{out}/demo/street", f"{out}/bag", *ALONE],
        ["batch", f"{out}/demo/street", "-o", f"{out}/batch", "--workers", "1"],
        ["evaluate", str(pairs), "--html", f"{out}/page.html", *ALONE],
        ["bench", "--size", "64x48", "--seconds", "0.01", *ALONE],
        ["backends"],
        ["model", "info", "default"],
        ["model", "export", "default", "-o", f"{out}/exported"],
    ]
    traces = run(tmp_path, EVERY_COMMAND, json.dumps(commands))
    assert traces.sockets == []
    assert traces.outside(out, tmp_path / "tmp") == set()
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == [], "temporary files stay"


def test_training_says_what_it_can_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch")
    program = "from training.__main__ import main; main(['--help'])"
    traces = run(tmp_path, program, kernel=False)
    assert traces.sockets == []
    assert traces.outside() == set()


@pytest.mark.parametrize("watcher", ["hook", "kernel"])
def test_those_who_watch_see_what_there_is_to_see(tmp_path: Path, watcher: str) -> None:
    if watcher == "kernel" and not STRACE:
        pytest.skip("no strace to see what libraries do themselves")
    program = (
        "import socket; from pathlib import Path\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()\n"
        "(Path.home() / 'written').write_text('x'); (Path.home() / 'made').mkdir()\n"
    )
    traces = run(tmp_path, program, hook=watcher == "hook", kernel=watcher == "kernel")
    assert len(traces.sockets) == 1
    assert {file.name for file in traces.outside()} >= {"written", "made"}
