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
for words in json.loads(sys.argv[1]):
    assert main(words) == 0, words
"""

ALONE = ["--backend", "reference"]


@pytest.fixture(params=["audit hook", "strace"])
def kernel(request: pytest.FixtureRequest) -> bool:
    """Who watches: Python, which is always there, or the kernel."""
    if request.param == "strace" and shutil.which("strace") is None:
        pytest.skip("no strace to see what libraries do themselves")
    return request.param == "strace"


def run(folder: Path, *, kernel: bool, program: str, arguments: tuple[str, ...] = ()) -> Traces:
    work = folder / "work"
    work.mkdir()
    surroundings = environment(folder / "home")
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    return watch([PYTHON, "-c", start + program, *arguments], work, surroundings, kernel=kernel)


def test_importing_every_module_opens_no_socket_and_writes_nothing(
    tmp_path: Path, kernel: bool
) -> None:
    traces = run(tmp_path, kernel=kernel, program=EVERY_MODULE)
    assert traces.sockets == []
    assert traces.outside() == set()


def test_every_command_writes_its_output_and_nothing_else_and_opens_no_socket(
    tmp_path: Path, kernel: bool, rng: np.random.Generator
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
    traces = run(tmp_path, kernel=kernel, program=EVERY_COMMAND, arguments=(json.dumps(commands),))
    assert traces.sockets == []
    assert traces.outside(out, tmp_path / "tmp") == set()
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == [], "temporary files stay"


def test_training_says_what_it_can_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch")
    program = "from training.__main__ import main; main(['--help'])"
    traces = run(tmp_path, kernel=False, program=program)
    assert traces.sockets == []
    assert traces.outside() == set()


def test_those_who_watch_see_what_there_is_to_see(tmp_path: Path, kernel: bool) -> None:
    program = (
        "import socket; from pathlib import Path\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()\n"
        "(Path.home() / 'written').write_text('x'); (Path.home() / 'made').mkdir()\n"
    )
    traces = run(tmp_path, kernel=kernel, program=program)
    assert len(traces.sockets) == 1
    assert {file.name for file in traces.outside()} >= {"written", "made"}
