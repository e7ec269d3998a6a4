"""Synthetic pairs and tiny configurations, so that every training command runs in a second."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_runs import TINY, TINY_NET, distil_command

pytest.importorskip("torch")

HEIGHT, WIDTH = 64, 72
NAMES = tuple(f"pair{k}" for k in range(8))


def write_pair(folder: Path, name: str, seed: int) -> None:
    """A picture with structure: blurred noise, and other blurred noise in infrared."""
    rng = np.random.default_rng(seed)
    for kind, channels in (("visible", 3), ("infrared", 1)):
        noise = rng.integers(0, 256, (HEIGHT, WIDTH, channels), np.uint8)
        smooth = cv2.GaussianBlur(noise, (9, 9), 2.5).astype(np.float32)
        stretched = cv2.normalize(smooth, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)
        (folder / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / kind / f"{name}.png"), stretched)


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for seed, name in enumerate(NAMES):
        write_pair(folder, name, seed)
    return folder


@pytest.fixture(scope="session")
def teacher(pairs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("teacher")
    command = ["teacher", "--data", str(pairs_folder), "--out", str(out), "--steps", "4"]
    from lut_fuse_training.__main__ import main

    assert main([*command, *TINY, *TINY_NET]) == 0
    return out / "mm_net.pt"


@pytest.fixture(scope="session")
def distilled(pairs_folder: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("distilled")
    from lut_fuse_training.__main__ import main

    assert main(distil_command(pairs_folder, teacher, out)) == 0
    return out
