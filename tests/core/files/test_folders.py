"""Folders of images: JPEG to JPEG without RGB in between, and several pairs at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from random_models import random_model

from lut_fuse_core import BackendUnavailableError, Fuser
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.cli.cores import pipelines_side_by_side
from lut_fuse_core.files.folders import FolderOptions, fuse_folders
from lut_fuse_core.files.fusing import fuse_files
from lut_fuse_core.files.report import FilesReport
from lut_fuse_core.files.stored_images import visible_reader
from lut_fuse_core.io.image_files import read_visible
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline

JPEG = FolderOptions(suffix=".jpg")
PAIRS = 6


@pytest.fixture
def folders(shared: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Photographs as JPEG of 4:2:0, with infrared images."""
    for index in range(PAIRS):
        for kind in ("visible", "infrared"):
            source = sorted((shared / f"data/roadscene/train/{kind}").iterdir())[index]
            image = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)[:192, :256]
            (tmp_path / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / kind / f"{index}.jpg"), image)
    return tmp_path / "visible", tmp_path / "infrared"


def pipeline(backend: str = "auto") -> FusionPipeline:
    return FusionPipeline(PipelineConfig(backend=backend, threads=1))


def fused(folders: tuple[Path, Path], out: Path, suffix: str = ".jpg") -> list[UInt8Array]:
    fuse_folders(*folders, out, pipeline(), FolderOptions(suffix=suffix))
    return [read_visible(out / f"{index}{suffix}") for index in range(PAIRS)]


def error(images: list[UInt8Array], truth: list[UInt8Array]) -> float:
    """Root of the mean squared error in gray levels."""
    squares = [np.square(a.astype(float) - b) for a, b in zip(images, truth, strict=True)]
    return float(np.sqrt(np.mean(squares)))


def test_jpegs_fused_as_they_are_stored_are_nearer_to_the_exact_result_than_by_way_of_rgb(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simplejpeg = pytest.importorskip("simplejpeg", "1.8")
    exact = fused(folders, tmp_path / "exact", ".png")
    stored = fused(folders, tmp_path / "stored")
    monkeypatch.delattr(simplejpeg, "encode_jpeg_yuv_planes")
    by_rgb = fused(folders, tmp_path / "by RGB")
    assert error(stored, by_rgb) > 0
    assert error(stored, exact) < error(by_rgb, exact) < 4


def test_a_jpeg_alone_is_fused_like_one_in_a_folder(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    fused(folders, tmp_path / "out")
    fuse_files(folders[0] / "3.jpg", folders[1] / "3.jpg", tmp_path / "alone.jpg", pipeline())
    assert (tmp_path / "alone.jpg").read_bytes() == (tmp_path / "out/3.jpg").read_bytes()


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_all_backends_fuse_jpegs_as_they_are_stored(
    folders: tuple[Path, Path], tmp_path: Path, backend: str
) -> None:
    auto, other = tmp_path / "auto.jpg", tmp_path / "other.jpg"
    pair = folders[0] / "0.jpg", folders[1] / "0.jpg"
    fuse_files(*pair, auto, pipeline())
    fuse_files(*pair, other, pipeline(backend))
    assert error([read_visible(other)], [read_visible(auto)]) < 1


def test_colors_are_given_to_models_that_see_them(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    model = random_model(unshuffle=2, pool=4, inputs="rgb_infrared")
    colored = FusionPipeline(PipelineConfig(threads=1), Fuser(model, threads=1))
    assert visible_reader(colored, ".jpg") is read_visible
    assert visible_reader(pipeline(), ".png") is read_visible
    fuse_folders(*folders, tmp_path / "out", colored, JPEG)
    infrared = cv2.imread(str(folders[1] / "0.jpg"), cv2.IMREAD_UNCHANGED)
    exact = colored.process(read_visible(folders[0] / "0.jpg"), infrared)
    assert error([read_visible(tmp_path / "out/0.jpg")], [exact]) < 8


def test_pairs_fused_side_by_side_give_the_files_and_the_report_of_pairs_in_turn(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (folders[0] / "2.jpg").write_bytes(b"no image")
    (folders[1] / "4.jpg").write_bytes(b"")
    (folders[0] / "7.jpg").write_bytes(b"without a partner")
    seen: dict[str, list[tuple[int, int]]] = {}

    def run(name: str, others: list[FusionPipeline]) -> FilesReport:
        def progress(done: int, total: int) -> None:
            seen.setdefault(name, []).append((done, total))

        return fuse_folders(*folders, tmp_path / name, pipeline(), JPEG, progress, others)

    in_turn = run("turn", [])
    side_by_side = run("side", [pipeline() for _ in range(3)])
    assert list(in_turn.failed) == ["2", "4"]
    assert replace(side_by_side, output=in_turn.output) == in_turn
    assert seen["side"] == seen["turn"] == [(done, PAIRS) for done in range(1, PAIRS + 1)]
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("turn", "side")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == PAIRS - 2


def test_a_sequence_is_fused_in_turn(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, others = pipeline(), [pipeline() for _ in range(3)]
    options = FolderOptions(sequence=True)
    fuse_folders(*folders, tmp_path / "out", first, options, others=others)
    assert first.status.fused == PAIRS
    assert not any(other.status.fused for other in others)


def test_there_are_as_many_pipelines_as_threads_if_the_backend_is_native() -> None:
    try:
        Fuser(backend="native")
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))
    for threads, count in ((1, 1), (3, 3), (None, usable_cores())):
        made = pipelines_side_by_side(PipelineConfig(threads=threads))
        assert len(made) == count
    assert len(pipelines_side_by_side(PipelineConfig(backend="cpu", threads=3))) == 1
