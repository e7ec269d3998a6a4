"""`lut-fuse demo`: everything it promises is there and shows what it should."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import bags
import cv2
import numpy as np
import pytest

from lut_fuse_core.cli import main
from lut_fuse_core.cli.extras import EXTRAS
from lut_fuse_core.io.demo_mark import DEMO_MARK

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


def test_without_the_extras_there_are_images_and_everything_else(tmp_path, capsys, monkeypatch):
    _without_extras(monkeypatch)
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS, "--json"]) == 0
    shown = capsys.readouterr()
    assert ".[bags,video]" in shown.err
    report = json.loads(shown.out)
    assert (report["pairs"], report["video"]) == (FRAMES, None)
    assert report["fps"] > 0
    assert (tmp_path / "contact_sheet.png").is_file()
    assert not (tmp_path / "street.mp4").exists()
    pairs = Path(report["input"])
    names = [f"{number:04d}.png" for number in range(FRAMES)]
    for folder in ("visible", "infrared", "fused"):
        assert sorted(path.name for path in (pairs / folder).iterdir()) == names
    assert cv2.imread(str(pairs / "infrared" / names[0]), cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_the_images_are_those_of_the_bags(folder, tmp_path, monkeypatch):
    _without_extras(monkeypatch)
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 0
    street, fused = bags.read_mcap(folder / "street"), bags.read_mcap(folder / "fused")
    for number in range(FRAMES):
        for side, kind in (("visible", np.uint8), ("infrared", np.uint16)):
            sent = street[f"/camera/{side}/image_raw"][number].message
            pixels = np.frombuffer(sent.data, kind).reshape(64, 96, -1)[..., ::-1].squeeze()
            assert np.array_equal(_image(tmp_path, side, number), pixels)
        result = np.frombuffer(fused["/fused/image"][number].message.data, np.uint8)
        # Folders have no stamps, so the infrared range follows the images at another pace.
        difference = _image(tmp_path, "fused", number)[..., ::-1] - result.reshape(64, 96, 3) * 1.0
        assert np.abs(difference).mean() < 1


def _image(folder, side, number):
    path = folder / "pairs" / side / f"{number:04d}.png"
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_shorter_street_leaves_no_images_of_a_longer_one_and_keeps_other_files(
    tmp_path, monkeypatch
):
    _without_extras(monkeypatch)
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 0
    kept = tmp_path / "pairs" / "fused" / "notes.txt"
    kept.write_text("mine")
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS[:2], "--frames", "2"]) == 0
    assert len(list((tmp_path / "pairs" / "fused").glob("*.png"))) == 2
    assert kept.read_text() == "mine"


def test_images_that_no_demo_made_are_kept(tmp_path, capsys, monkeypatch):
    _without_extras(monkeypatch)
    mine = tmp_path / "pairs" / "visible" / "0000.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 2
    assert "no demo made it" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"


def test_the_bags_come_beside_the_images_once_the_extra_is_there(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        _without_extras(patched)
        assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 0
    assert main(["demo", "-o", str(tmp_path), *ARGUMENTS]) == 0
    assert {"pairs", "street", "fused", "street.mp4"} < {path.name for path in tmp_path.iterdir()}


def _without_extras(monkeypatch) -> None:
    missing = {module for extra in ("bags", "video") for module in EXTRAS[extra]}
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in missing else found(name, *rest),
    )
