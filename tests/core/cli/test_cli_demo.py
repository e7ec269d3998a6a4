"""`lut-fuse demo`: everything it promises is there and shows what it should."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import bags
import cv2
import numpy as np
import pytest

from lut_fuse_core.bag.writer import DEMO_MARK
from lut_fuse_core.cli import main

FRAMES = 12
ARGUMENTS = ["--size", "96x64", "--frames", str(FRAMES), "--backend", "reference"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "shown"
    assert main(["demo", "-o", str(folder), *ARGUMENTS]) == 0
    return folder


def test_both_bags_are_real_ones(folder):
    street, fused = bags.read_mcap(folder / "street"), bags.read_mcap(folder / "fused")
    assert {"/camera/visible/image_raw", "/camera/infrared/image_raw"} < street.keys()
    assert street["/camera/infrared/image_raw"][0].message.encoding == "16UC1"
    assert street.keys() < fused.keys()
    assert len(fused["/fused/image"]) == FRAMES
    assert fused["/fused/image"][0].message.width == 96


def test_the_contact_sheet_shows_three_columns_that_differ(folder):
    sheet = cv2.imread(str(folder / "contact_sheet.png"))
    width = sheet.shape[1] // 3
    columns = [sheet[40:, index * width : index * width + width - 8] for index in range(3)]
    assert all(column.std() > 15 for column in columns)
    rows = [columns[1][: columns[1].shape[0] // 4], columns[1][-(columns[1].shape[0] // 4) :]]
    assert np.abs(rows[0].astype(int) - rows[1]).max() > 60  # the moments differ
    infrared = columns[1].astype(int)
    assert np.abs(infrared[..., 0] - infrared[..., 2]).max() == 0


def test_the_video_has_every_frame_side_by_side(folder):
    capture = cv2.VideoCapture(str(folder / "street.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (
        288,
        64,
    )
    assert capture.read()[1].std() > 10


def test_it_works_again_and_prints_one_line(folder, capsys):
    assert main(["demo", "-o", str(folder), *ARGUMENTS]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert f"{FRAMES} pairs fused" in out
    assert "per second" in out
    for name in ("street", "fused", "contact_sheet.png", "street.mp4"):
        assert str(folder / name) in out


def test_json_names_files_and_numbers(folder, capsys):
    assert main(["demo", "-o", str(folder), *ARGUMENTS, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pairs"] == FRAMES
    assert report["fps"] > 0
    assert Path(report["video"]).is_file()
    assert Path(report["contact_sheet"]).is_file()


def test_somebody_elses_folder_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "street").mkdir()
    (tmp_path / "street" / "keep.txt").write_text("mine")
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 2
    assert "no demo made it" in capsys.readouterr().err
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS, "--overwrite"]) == 2
    assert "no bag" in capsys.readouterr().err
    assert (tmp_path / "street" / "keep.txt").read_text() == "mine"


@pytest.mark.parametrize("arguments", [["--frames", "0"], ["--size", "4x4"], ["--seed", "-1"]])
def test_impossible_demos_are_refused(tmp_path, arguments):
    assert main(["demo", "-o", str(tmp_path / "demo"), *arguments]) == 2
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", ["street.mp4", "contact_sheet.png"])
def test_somebody_elses_files_are_kept(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"mine")
    assert main(["demo", "-o", str(tmp_path), "--frames", "1", "--size", "64x64"]) == 2
    assert "no demo made it" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_bag_that_no_demo_made_is_kept(folder, tmp_path, capsys):
    shutil.copytree(folder / "street", tmp_path / "fused", ignore=lambda *_: {DEMO_MARK})
    before = {path.name: path.read_bytes() for path in (tmp_path / "fused").iterdir()}
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 2
    assert "no demo made it" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "fused").iterdir()} == before
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS, "--overwrite"]) == 0
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 0
    shutil.rmtree(tmp_path / "fused")
    shutil.copytree(folder / "street", tmp_path / "fused", ignore=lambda *_: {DEMO_MARK})
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 2


def test_without_pyav_there_is_no_video_and_everything_else(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lut_fuse_core.cli.demo.has_pyav", lambda: False)
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS, "--json"]) == 0
    shown = capsys.readouterr()
    assert "run 'pip install av'" in shown.err
    assert json.loads(shown.out)["video"] is None
    assert (tmp_path / "contact_sheet.png").is_file()
    assert not (tmp_path / "street.mp4").exists()
