"""Nothing leaves the machine, and nothing is written where nobody asked for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from board_scenes import Thermal, poses, raw_views
from watched import PYTHON, TEMPORARY, Traces, environment, watch

from lut_fuse_core.calibration.board import Board
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.synthetic import SceneConfig, StreetScene

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
from lut_fuse_core.calibration import search
from lut_fuse_core.cli import main
from lut_fuse_core.evaluation import benchmark
benchmark.SETTLE_SECONDS, benchmark.TURN_SECONDS, benchmark.LEAST_TURNS = 0.0, 0.001, 1
search.FIELD_RATIOS = (0.9, 1.1)  # both cameras are alike: the rest of the search takes seconds
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


def _written(folder: Path, pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """The folders of visible and of infrared images."""
    sides = folder / "visible", folder / "infrared"
    for side in sides:
        side.mkdir(parents=True)
    for index, pair in enumerate(pairs):
        for side, image in zip(sides, pair, strict=True):
            cv2.imwrite(str(side / f"{index}.png"), image)
    return [str(side) for side in sides]


def test_every_command_writes_its_output_and_nothing_else_and_opens_no_socket(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    pytest.importorskip("rosbags", reason="bags need the extra 'bags'")
    pairs = tmp_path / "pairs"
    noise = rng.integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    _written(pairs, [(image, image[..., 0]) for image in noise])
    out = tmp_path / "out"
    out.mkdir()
    scene = StreetScene(SceneConfig(width=160, height=120)).frame(0)
    board = Board("circles", 6, 5, 0.05)
    shots = raw_views(board, poses(board, 5), Thermal(slope=0.3))
    rig = [
        *_written(tmp_path / "rig", [(scene.visible, InfraredNormalizer()(scene.infrared))]),
        *("-o", f"{out}/rig.json", "--picture", f"{out}/fit.png", "--tolerance", "2"),
    ]
    lenses = [
        *_written(tmp_path / "board", shots),
        *("--kind", "circles", "--size", "6x5", "--spacing", "0.05"),
        *("-o", f"{out}/lenses.yaml", "--html", f"{out}/lenses.html", "--camera-info", f"{out}"),
    ]
    commands = [
        ["demo", "-o", f"{out}/demo", "--size", "64x48", "--frames", "4", *ALONE],
        ["fuse", f"{pairs}/visible", f"{pairs}/infrared", "-o", f"{out}/fused", *ALONE],
        ["bag", f"{out}/demo/street", f"{out}/bag", *ALONE],
        ["batch", f"{out}/demo/street", "-o", f"{out}/batch", "--workers", "1"],
        ["export", f"{out}/demo/street", "-o", f"{out}/dataset", "--format", "coco", *ALONE],
        ["calibrate", "pairs", *rig],
        ["calibrate", "board", *lenses],
        ["evaluate", str(pairs), "--html", f"{out}/page.html", *ALONE],
        ["bench", "--size", "64x48", "--seconds", "0.01", *ALONE],
        ["backends"],
        ["model", "info", "default"],
        ["model", "export", "default", "-o", f"{out}/exported"],
    ]
    traces = run(tmp_path, EVERY_COMMAND, json.dumps(commands))
    assert traces.sockets == []
    assert traces.outside(out, tmp_path / TEMPORARY) == set()
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / TEMPORARY).iterdir()) == [], "temporary files stay"


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
