"""`lut-fuse fuse`, end to end: images and folders."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import FRAMES, GRAY, HEIGHT, WIDTH, save_video

from lut_fuse_core import Fuser
from lut_fuse_core.cli import main
from lut_fuse_core.io.image_files import image_files, read_infrared
from lut_fuse_core.io.opencv_log import quiet

MAIN = "import sys; from lut_fuse_core.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def lut_fuse(run_tool):
    """Run `lut-fuse fuse`; returns exit status, stdout and stderr."""
    return partial(run_tool, "fuse")


@pytest.fixture
def expected(model_file):
    """The fused image of a pair that needs no normalization."""
    fuser = Fuser(model_file, backend="reference")
    return lambda index: fuser.fuse(FRAMES[index].visible, GRAY[index])


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = image[..., ::-1] if image.ndim == 3 else image
    assert cv2.imwrite(str(path), bgr)
    return path


def load(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    return (
        save(tmp_path / "visible.png", FRAMES[0].visible),
        save(tmp_path / "infrared.png", GRAY[0]),
    )


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    for index in range(4):
        save(tmp_path / "vis" / f"{index:03}.png", FRAMES[index].visible)
        save(tmp_path / "ir" / f"{index:03}.tiff", GRAY[index])
    return tmp_path / "vis", tmp_path / "ir"


def test_two_images_become_one(lut_fuse, expected, pair, tmp_path):
    status, out, errors = lut_fuse(*pair, "-o", tmp_path / "new" / "fused.png")
    assert (status, errors) == (0, "")
    assert "new/fused.png" in out
    np.testing.assert_array_equal(load(tmp_path / "new" / "fused.png"), expected(0))


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".bmp", ".webp"])
def test_the_output_is_in_the_format_its_name_says(lut_fuse, expected, pair, tmp_path, suffix):
    target = tmp_path / f"fused{suffix}"
    assert lut_fuse(*pair, "-o", target)[0] == 0
    assert np.abs(load(target).astype(int) - expected(0)).mean() < 6
    heads = {".jpg": b"\xff\xd8", ".tif": b"II", ".bmp": b"BM", ".webp": b"RIFF"}
    assert target.read_bytes().startswith(heads[suffix])


def test_an_output_folder_gets_the_name_of_the_visible_image(lut_fuse, pair, tmp_path):
    (tmp_path / "out").mkdir()
    lut_fuse(*pair, "-o", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["visible.png"]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_infrared_of_16_bits_is_normalized(lut_fuse, model_file, pair, tmp_path, suffix):
    counts = save(tmp_path / f"counts{suffix}", FRAMES[0].infrared)
    lut_fuse(pair[0], counts, "-o", tmp_path / "f.png", "--normalization", "range",
             "--range", "7000", "8020")  # fmt: skip
    gray = np.clip((FRAMES[0].infrared.astype(float) - 7000) / 4, 0, 255).round().astype(np.uint8)
    fused = Fuser(model_file, backend="reference").fuse(FRAMES[0].visible, gray)
    np.testing.assert_array_equal(load(tmp_path / "f.png"), fused)


def test_strength_0_gives_the_visible_image_back(lut_fuse, pair, tmp_path):
    lut_fuse(*pair, "-o", tmp_path / "f.png", "--strength", "0")
    np.testing.assert_array_equal(load(tmp_path / "f.png"), FRAMES[0].visible)


def test_folders_are_matched_by_stem(lut_fuse, expected, folders, tmp_path):
    save(folders[0] / "only_visible.png", FRAMES[0].visible)
    save(folders[1] / "only_infrared.png", GRAY[0])
    (folders[0] / "notes.txt").write_text("not an image")
    status, out, _ = lut_fuse(*folders, "-o", tmp_path / "out", "--json")
    report = json.loads(out)
    assert (status, report["pairs"]) == (0, 4)
    assert report["unmatched_visible"] == ["only_visible"]
    assert report["unmatched_infrared"] == ["only_infrared"]
    for index in range(4):
        np.testing.assert_array_equal(load(tmp_path / "out" / f"{index:03}.png"), expected(index))


def test_bad_files_in_a_folder_are_reported_and_the_others_fused(lut_fuse, folders, tmp_path):
    (folders[0] / "001.png").write_bytes(b"not a picture")
    save(folders[1] / "002.tiff", GRAY[2][:-8])
    status, out, errors = lut_fuse(*folders, "-o", tmp_path / "out")
    assert status == 1
    assert "2 pairs fused" in out
    assert "2 failed" in out
    assert "001.png: it is not an image" in errors
    assert "64x48" in errors
    assert "64x40" in errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000.png", "003.png"]


def test_two_files_of_one_stem_are_not_guessed_between(lut_fuse, folders, tmp_path):
    save(folders[1] / "003.png", GRAY[3])
    status, _, errors = lut_fuse(*folders, "-o", tmp_path / "out")
    assert status == 1
    assert "003.png and 003.tiff" in errors


def test_pairs_of_a_folder_stand_alone_unless_they_are_a_sequence(lut_fuse, tmp_path):
    for index, contrast in enumerate((1, 3)):
        save(tmp_path / "vis" / f"{index}.png", FRAMES[0].visible)
        save(tmp_path / "ir" / f"{index}.png", (FRAMES[0].infrared - 6000) * np.uint16(contrast))
    folders = tmp_path / "vis", tmp_path / "ir"
    lut_fuse(*folders, "-o", tmp_path / "alone")
    lut_fuse(*folders, "-o", tmp_path / "together", "--sequence")
    alone = [load(tmp_path / "alone" / f"{i}.png") for i in (0, 1)]
    together = [load(tmp_path / "together" / f"{i}.png") for i in (0, 1)]
    assert np.abs(alone[0].astype(int) - alone[1]).max() <= 2
    assert np.abs(together[0].astype(int) - together[1]).mean() > 3


def test_threads_leave_opencvs_reports_as_they_were():
    logging = getattr(cv2.utils, "logging", cv2)
    before = logging.getLogLevel()

    def in_and_out(_: int) -> None:
        for _ in range(2000):
            with quiet():
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(in_and_out, range(4)))
    assert logging.getLogLevel() == before


def refused(lut_fuse, target: Path, *arguments: object) -> str:
    """The one sentence of a run that must fail with status 2 and write nothing."""
    before = sorted(target.parent.iterdir())
    status, stdout, errors = lut_fuse(*arguments, "-o", target)
    assert (status, stdout) == (2, "")
    assert sorted(target.parent.iterdir()) == before
    assert errors.count("\n") == 1
    return errors


def test_a_missing_file_is_refused(lut_fuse, pair, tmp_path):
    words = refused(lut_fuse, tmp_path / "f.png", pair[0], tmp_path / "nowhere.png")
    assert "nowhere.png" in words


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_file_that_is_no_image_is_refused(lut_fuse, pair, tmp_path, content):
    (tmp_path / "odd.png").write_bytes(content)
    assert "odd.png" in refused(lut_fuse, tmp_path / "f.png", tmp_path / "odd.png", pair[1])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_image_is_refused(lut_fuse, pair, tmp_path, suffix):
    cut = save(tmp_path / f"cut{suffix}", FRAMES[0].visible)
    os.truncate(cut, cut.stat().st_size * 2 // 3)
    assert "cut" in refused(lut_fuse, tmp_path / "f.png", cut, pair[1])


def test_infrared_in_degrees_is_fused_like_its_counts(lut_fuse, pair, tmp_path):
    counts = (27000 + 10 * GRAY[0].astype(int)).astype(np.uint16)
    degrees = save(tmp_path / "degrees.tiff", (counts / 100 - 273.15).astype(np.float32))
    kelvin_100 = save(tmp_path / "counts.png", counts)
    fused = []
    for infrared in (degrees, kelvin_100):
        assert lut_fuse(pair[0], infrared, "-o", tmp_path / "f.png")[0] == 0
        fused.append(load(tmp_path / "f.png").astype(int))
    assert np.abs(fused[0] - fused[1]).max() <= 2


def test_sizes_that_differ_are_both_said_and_can_be_resized(lut_fuse, pair, tmp_path):
    small = save(tmp_path / "small.png", GRAY[0][::2, ::2].copy())
    words = refused(lut_fuse, tmp_path / "f.png", pair[0], small)
    assert "64x48" in words
    assert "32x24" in words
    assert lut_fuse(pair[0], small, "-o", tmp_path / "f.png", "--resize")[0] == 0
    assert load(tmp_path / "f.png").shape == (HEIGHT, WIDTH, 3)


def tiff(order: str, orientation: int) -> bytes:
    mark, words = {"little": (b"II*\0", "<"), "big": (b"MM\0*", ">")}[order]
    entries = [
        (256, 3, 1, WIDTH), (257, 3, 1, HEIGHT), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (274, 3, 1, orientation), (277, 3, 1, 1), (278, 3, 1, HEIGHT),
        (279, 4, 1, WIDTH * HEIGHT),
    ]  # fmt: skip
    directory = struct.pack(f"{words}H", len(entries))
    for tag, kind, count, value in entries:
        form = f"{words}HHIHxx" if kind == 3 else f"{words}HHII"
        directory += struct.pack(form, tag, kind, count, value)
    where = struct.pack(f"{words}I", 8 + GRAY[0].size)
    return mark + where + GRAY[0].tobytes() + directory + bytes(4)


@pytest.mark.parametrize("order", ["little", "big"])
def test_an_image_that_says_it_wants_to_be_rotated_is_refused(lut_fuse, pair, tmp_path, order):
    """OpenCV rotates TIFFs, and nothing else, although asked not to; the partner would stay."""
    rotated = tmp_path / "rotated.tif"
    rotated.write_bytes(tiff(order, 3))
    assert "orientation of 3" in refused(lut_fuse, tmp_path / "f.png", pair[0], rotated)
    for upright in (0, 1, 9):  # 0 and 9 are not in the standard, and nobody turns them
        rotated.write_bytes(tiff(order, upright))
        np.testing.assert_array_equal(read_infrared(rotated), GRAY[0])


@pytest.mark.parametrize("letter", ["m", "\u6f22"])
def test_names_as_long_as_names_can_be_are_written(lut_fuse, tmp_path, letter):
    name = letter * (251 // len(letter.encode()))
    folders = [tmp_path / side for side in ("v", "i")]
    save(folders[0] / "a.png", FRAMES[0].visible).rename(folders[0] / f"{name}.png")
    save(folders[1] / "a.png", GRAY[0]).rename(folders[1] / f"{name}.png")
    assert lut_fuse(*folders, "-o", tmp_path / "out")[0] == 0
    assert [path.stem for path in (tmp_path / "out").iterdir()] == [name]


def test_a_name_that_is_no_text_is_told_to_strict_terminals(pair, tmp_path, model_file):
    folders = [tmp_path / side for side in ("v", "i")]
    for folder, source in zip(folders, pair, strict=True):
        folder.mkdir()
        (folder / "a.png").write_bytes(source.read_bytes())
    (folders[0] / os.fsdecode(b"caf\xe9.png")).write_bytes(pair[0].read_bytes())
    words = ["fuse", *map(str, folders), "-o", str(tmp_path / "o"), "--model", str(model_file)]
    process = subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert b"caf" in process.stdout


def test_the_offset_of_images_is_no_question(lut_fuse, pair, tmp_path):
    words = [*pair, "-o", tmp_path / "f.png", "--clock-offset", "auto"]
    status, _, errors = lut_fuse(*words)
    assert status == 2
    assert "images have no times" in errors


def test_folders_without_a_common_name_are_refused(lut_fuse, folders, tmp_path):
    save(tmp_path / "other" / "x.png", GRAY[0])
    assert "same name" in refused(lut_fuse, tmp_path / "out", folders[0], tmp_path / "other")


def test_a_file_and_a_folder_are_refused(lut_fuse, folders, pair, tmp_path):
    assert "two folders" in refused(lut_fuse, tmp_path / "out", folders[0], pair[1])


def test_an_image_and_a_video_are_refused(lut_fuse, pair, tmp_path):
    video = save_video(tmp_path / "i.avi", GRAY, 10)
    assert "two videos" in refused(lut_fuse, tmp_path / "f.png", pair[0], video)


@pytest.mark.parametrize("name", ["fused.txt", "fused", "visible.png"])
def test_an_unsuitable_output_name_is_refused(lut_fuse, pair, tmp_path, name):
    refused(lut_fuse, tmp_path / name, *pair)
    np.testing.assert_array_equal(load(pair[0]), FRAMES[0].visible)


def test_a_broken_model_file_is_refused(lut_fuse, pair, tmp_path, model_file):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model_file.read_bytes()[:-100])
    words = ["fuse", *map(str, pair), "-o", str(tmp_path / "f.png"), "--model", str(broken)]
    assert main(words) == 2
    assert not (tmp_path / "f.png").exists()


def test_a_full_disk_leaves_the_old_image_intact(lut_fuse, pair, model_file, tmp_path):
    target = tmp_path / "f.png"
    target.write_bytes(b"the old one")

    def fill_the_disk() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    words = ["fuse", *map(str, pair), "-o", str(target), "--model", str(model_file)]
    process = subprocess.run(
        [sys.executable, "-c", MAIN, *words, "--backend", "reference"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=fill_the_disk,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("lut-fuse: ")
    assert target.read_bytes() == b"the old one"
    assert not list(tmp_path.glob(".*"))


def test_black_hot_infrared_is_inverted(lut_fuse, expected, pair, tmp_path):
    negative = save(tmp_path / "negative.png", 255 - GRAY[0])
    assert lut_fuse(pair[0], negative, "-o", tmp_path / "f.png", "--polarity", "black_hot")[0] == 0
    np.testing.assert_array_equal(load(tmp_path / "f.png"), expected(0))


def test_a_range_in_degrees_is_one_in_counts(lut_fuse, pair, tmp_path):
    counts = save(tmp_path / "counts.png", FRAMES[0].infrared)
    fixed = (pair[0], counts, "--normalization", "range")
    lut_fuse(*fixed, "-o", tmp_path / "a.png", "--range", "7000", "8000")
    radiometry = ("--unit", "celsius", "--radiometry", "0.04", "-280")
    lut_fuse(*fixed, "-o", tmp_path / "b.png", "--range", "0", "40", *radiometry)
    difference = load(tmp_path / "a.png").astype(int) - load(tmp_path / "b.png")
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("name", ["frame.png", "movie.mp4"])
def test_an_input_in_the_output_folder_is_not_overwritten(lut_fuse, tmp_path, name):
    visible, infrared = tmp_path / "in" / name, tmp_path / "ir" / name
    if name.endswith(".png"):
        save(visible, FRAMES[0].visible)
        save(infrared, GRAY[0])
    else:
        for path, frames in ((visible, [f.visible for f in FRAMES]), (infrared, GRAY)):
            path.parent.mkdir()
            save_video(path.with_suffix(".avi"), frames, 10).rename(path)
    before = visible.read_bytes()
    status, _, errors = lut_fuse(visible, infrared, "-o", visible.parent)
    assert (status, visible.read_bytes()) == (2, before)
    assert "is the input" in errors


def test_a_file_that_must_not_be_read_is_reported_and_the_others_fused(
    lut_fuse, folders, tmp_path, monkeypatch
):
    original = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "001.png":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    status, _, errors = lut_fuse(*folders, "-o", tmp_path / "out")
    assert status == 1
    assert "001.png cannot be read (Permission denied)" in errors
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_neither_image_is_rotated_by_what_its_file_says_of_the_camera(lut_fuse, pair, tmp_path):
    done, jpeg = cv2.imencode(".jpg", FRAMES[0].visible[..., ::-1])
    assert done
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    rotated, plain = tmp_path / "rotated.jpg", tmp_path / "plain.jpg"
    plain.write_bytes(jpeg.tobytes())
    rotated.write_bytes(jpeg.tobytes()[:2] + segment + jpeg.tobytes()[2:])
    assert not np.array_equal(load(rotated), load(plain)), "OpenCV does not see the orientation"
    for visible in (rotated, plain):
        lut_fuse(visible, pair[1], "-o", tmp_path / f"{visible.stem}.png")
    np.testing.assert_array_equal(load(tmp_path / "rotated.png"), load(tmp_path / "plain.png"))


def test_a_picture_with_another_one_behind_it_is_whole(lut_fuse, pair, tmp_path):
    done, jpeg = cv2.imencode(".jpg", FRAMES[0].visible[..., ::-1])
    assert done
    data = jpeg.tobytes()
    (tmp_path / "motion.jpg").write_bytes(data + b"MotionPhoto" + data[: len(data) // 2])
    assert lut_fuse(tmp_path / "motion.jpg", pair[1], "-o", tmp_path / "f.png")[0] == 0
    (tmp_path / "cut.jpg").write_bytes(data[:-2])
    assert lut_fuse(tmp_path / "cut.jpg", pair[1], "-o", tmp_path / "f.png")[0] == 2


@pytest.mark.parametrize("threads", ["-1", "0", "100000"])
def test_a_number_of_threads_that_makes_no_sense_is_refused(lut_fuse, pair, tmp_path, threads):
    status, _, errors = lut_fuse(*pair, "-o", tmp_path / "f.png", "--threads", threads)
    assert status == 2
    assert "between 1 and 256" in errors


def test_frames_with_unpadded_numbers_are_taken_in_their_order(lut_fuse, tmp_path):
    for index in range(12):
        save(tmp_path / "vis" / f"frame{index}.png", FRAMES[0].visible)
        save(tmp_path / "ir" / f"frame{index}.png", GRAY[0])
    assert list(image_files(tmp_path / "vis")) == [f"frame{index}" for index in range(12)]


def test_why_depth_is_not_followed_is_said(lut_fuse, folders, tmp_path):
    visible, infrared = folders
    for path in infrared.iterdir():
        save(path, np.full((HEIGHT, WIDTH), 90, np.uint8))
    shutter = save(tmp_path / "shutter.tiff", np.full((HEIGHT, WIDTH), 90, np.uint8))
    for kind, inputs in {"a": (visible, infrared), "b": (visible / "000.png", shutter)}.items():
        status, _, errors = lut_fuse(*inputs, "-o", tmp_path / f"{kind}1.png", "--depth", "auto")
        assert (status, "the infrared image is blank" in errors) == (0, True), errors
        assert lut_fuse(*inputs, "-o", tmp_path / f"{kind}2.png")[2] == ""
