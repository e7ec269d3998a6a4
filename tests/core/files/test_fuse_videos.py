"""`lut-fuse fuse` on two videos, end to end."""

from __future__ import annotations

import itertools
import json
import re
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import FRAMES, GRAY, HEIGHT, WIDTH, encode, flat, frames_of, save_video, times_of

from lut_fuse_core.cli import main


@pytest.fixture
def lut_fuse(run_tool):
    """Run `lut-fuse fuse`; returns exit status, stdout and stderr."""
    return partial(run_tool, "fuse")


@pytest.mark.parametrize("name", ["fused.mp4", "fused.avi"])
def test_two_videos_become_one(lut_fuse, tmp_path, name):
    visible = save_video(tmp_path / "v.avi", [f.visible for f in FRAMES], 10)
    infrared = save_video(tmp_path / "i.avi", GRAY, 10)
    status, out, _ = lut_fuse(visible, infrared, "-o", tmp_path / name, "--json")
    report = json.loads(out)
    assert (status, report["pairs"]) == (0, 5)
    assert report["codec"]
    assert [frame.shape for frame in frames_of(tmp_path / name)] == [(HEIGHT, WIDTH, 3)] * 5


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
@pytest.mark.parametrize("paused", ["visible", "infrared"])
def test_frames_that_are_not_evenly_spaced_are_matched_by_their_own_times(
    lut_fuse, tmp_path, paused, suffix
):
    """Either camera stands still for two seconds, during which infrared goes from dark to hot."""
    hot = flat(*[40] * 20, *[220] * 20)
    infrared = hot if paused == "visible" else [*hot[:10], *hot[30:]]
    visible = flat(*[60] * (20 if paused == "visible" else 40))
    steady = [0.1 * index for index in range(40)]
    late = [time for time in steady if not 0.95 < time < 2.95]
    videos = [
        encode(tmp_path / f"{name}.mp4", frames, "mpeg4", "yuv420p", layout="gray",
               times=late if len(frames) == 20 else steady)
        for name, frames in (("v", visible), ("i", infrared))
    ]  # fmt: skip
    status, _, errors = lut_fuse(*videos, "-o", tmp_path / f"f{suffix}")
    assert status == 0, errors
    levels = [float(frame.mean()) for frame in frames_of(tmp_path / f"f{suffix}")]
    after = levels[10:] if paused == "visible" else levels[30:]
    assert np.ptp(levels[:10]) < 1
    assert np.ptp(after) < 1
    assert abs(levels[0] - after[0]) > 5, "hot looks like cold"
    assert ("not evenly spaced" in errors) == (paused == "visible" and suffix == ".avi")
    if suffix != ".avi":
        expected = late if paused == "visible" else steady
        assert times_of(tmp_path / f"f{suffix}") == pytest.approx(expected, abs=0.002)
    if paused == "infrared":
        assert levels[20] == pytest.approx(60, abs=8), "infrared is a second old here"


@pytest.mark.parametrize("side", ["v", "i"])
def test_a_truncated_video_is_named_and_no_success(lut_fuse, tmp_path, side):
    videos = [save_video(tmp_path / f"{name}.avi", GRAY * 20, 10) for name in ("v", "i")]
    cut = tmp_path / f"{side}.avi"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    status, output, errors = lut_fuse(*videos, "-o", tmp_path / "f.avi", "--json")
    assert status == 1
    assert re.search(rf"{side}\.avi is truncated: it can be read for \d\.\d s", errors)
    assert len(json.loads(output)["damaged"]) == 1


def test_videos_of_different_rates_are_matched_by_time(lut_fuse, tmp_path):
    dark = flat(*[40] * 9)
    visible = save_video(tmp_path / "v.avi", dark, 30)
    infrared = save_video(tmp_path / "i.avi", flat(0, 128, 255), 10)
    target = tmp_path / "f.avi"
    lut_fuse(visible, infrared, "-o", target)
    levels = [float(frame.mean()) for frame in frames_of(target)]
    groups = [levels[0:2], levels[2:5], levels[5:8]]  # nearest in time changes half-way
    assert all(max(group) - min(group) < 0.5 for group in groups)
    means = [np.mean(group) for group in groups]
    assert min(abs(a - b) for a, b in itertools.combinations(means, 2)) > 1


def test_a_known_offset_between_videos_is_taken_off(lut_fuse, tmp_path):
    visible = save_video(tmp_path / "v.avi", flat(*[40] * 6), 10)
    infrared = save_video(tmp_path / "i.avi", flat(0, 0, 255, 255, 255, 255, 255, 255), 10)
    target = tmp_path / "f.avi"
    lut_fuse(visible, infrared, "-o", target, "--clock-offset", "0.2")
    levels = [float(frame.mean()) for frame in frames_of(target)]
    assert len(levels) == 6
    assert max(levels) - min(levels) < 0.5


def moving_videos(tmp_path: Path, late: float) -> tuple[Path, Path]:
    """13 s seen by two cameras, the infrared one started so many seconds before the visible one."""
    rng = np.random.default_rng(1)
    steps = np.cumsum(rng.uniform(-6, 6, 400) * np.repeat(rng.uniform(0, 1, 40), 10))
    steps = np.interp(np.arange(400), np.arange(400), steps - steps.min())
    scene = rng.integers(0, 255, (HEIGHT, 1000)).astype(np.uint8)
    scene = cv2.GaussianBlur(scene, (0, 0), 3)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    views = [scene[:, 300 + int(step) :][:, :WIDTH] for step in steps]
    first = round(late * 20)
    return (
        save_video(tmp_path / "v.avi", views[first : first + 260], 20),
        save_video(tmp_path / "i.avi", [255 - view for view in views[:280]], 20),
    )


def test_the_offset_between_videos_is_found(lut_fuse, tmp_path):
    videos = moving_videos(tmp_path, 0.4)
    target = tmp_path / "f.avi"
    status, _, errors = lut_fuse(*videos, "-o", target, "--clock-offset", "auto")
    found = re.search(r"infrared clock is (\S+) s ahead", errors)
    assert status == 0
    assert float(found[1]) == pytest.approx(0.4, abs=0.03)


def test_the_offset_between_videos_is_followed_and_said(lut_fuse, tmp_path):
    videos = moving_videos(tmp_path, 0.4)
    errors = lut_fuse(*videos, "-o", tmp_path / "f.avi", "--clock", "correct")[2]
    found = re.search(r"infrared clock is (\S+) s ahead", errors)
    assert float(found[1]) == pytest.approx(0.4, abs=0.03)


def test_infrared_that_is_too_old_for_a_video_frame_is_left_out(lut_fuse, tmp_path):
    visible = save_video(tmp_path / "v.avi", flat(*[40] * 8), 10)
    infrared = save_video(tmp_path / "i.avi", flat(255, 255), 2)
    shown = {}
    for age in ("0", "0.05", "1"):
        lut_fuse(visible, infrared, "-o", tmp_path / "f.avi", "--max-infrared-age", age)
        shown[age] = [float(frame.mean()) for frame in frames_of(tmp_path / "f.avi")]
    alone, fused = shown["0"][2], shown["1"][2]
    assert abs(alone - fused) > 1
    assert shown["0.05"] == pytest.approx([fused] + [alone] * 4 + [fused] + [alone] * 2, abs=0.5)


def test_an_infrared_video_of_a_lower_rate_can_move_along(lut_fuse, tmp_path):
    visible = save_video(tmp_path / "v.avi", [f.visible for f in FRAMES], 10)
    infrared = save_video(tmp_path / "i.avi", [GRAY[0], GRAY[4]], 2.5)
    fused = {}
    for alignment in ("hold", "warp"):
        lut_fuse(visible, infrared, "-o", tmp_path / "f.avi", "--reuse-alignment", alignment)
        fused[alignment] = frames_of(tmp_path / "f.avi")
    same = [np.array_equal(a, b) for a, b in zip(*fused.values(), strict=True)]
    assert same[0]
    assert not all(same)


def test_frames_beyond_the_shorter_video_are_reported(lut_fuse, tmp_path):
    visible = save_video(tmp_path / "v.avi", [f.visible for f in FRAMES], 10)
    infrared = save_video(tmp_path / "i.avi", GRAY[:3], 10)
    report = json.loads(lut_fuse(visible, infrared, "-o", tmp_path / "f.mp4", "--json")[1])
    assert report["pairs"] == 3
    assert report["left"] == len(FRAMES) - 3


# What cannot work, and what is said about it.


def test_frames_without_infrared_near_enough_do_not_count_as_fused(lut_fuse, tmp_path):
    visible = save_video(tmp_path / "v.avi", [f.visible for f in FRAMES], 10)
    infrared = save_video(tmp_path / "i.avi", GRAY, 10)
    options = ("-o", tmp_path / "f.mp4", "--clock-offset", "-5", "--json")
    report = json.loads(lut_fuse(visible, infrared, *options)[1])
    assert (report["pairs"], report["visible_only"]) == (0, len(FRAMES))
    assert "5 frames shown without infrared" in lut_fuse(visible, infrared, *options[:-1])[1]


@pytest.mark.parametrize("rate", [10, 5])
def test_every_visible_frame_of_a_video_is_accounted_for(lut_fuse, tmp_path, rate):
    visible = save_video(tmp_path / "v.avi", [f.visible for f in FRAMES], 10)
    infrared = save_video(tmp_path / "i.avi", GRAY[:2], rate)
    report = json.loads(lut_fuse(visible, infrared, "-o", tmp_path / "f.avi", "--json")[1])
    assert report["pairs"] == len(frames_of(tmp_path / "f.avi"))
    assert report["pairs"] + report["left"] == len(FRAMES)


# What cameras record: the depth, the rate and the ends of files.

COUNTS = [
    np.clip(29300 + 300 * np.mgrid[:HEIGHT, :WIDTH][0] / HEIGHT, 0, 65535).astype(np.uint16)
    for _ in range(5)
]
BODY = np.s_[24:36, 40:46]
for number, counts in enumerate(COUNTS):
    counts[BODY] += 1600
    counts += np.random.default_rng(number).integers(0, 12, counts.shape, dtype=np.uint16)


def contrast(images: list[np.ndarray]) -> float:
    """Gray levels between the warm body and the ground beside it, in the last of the images."""
    gray = cv2.cvtColor(images[-1], cv2.COLOR_BGR2GRAY).astype(float)
    return gray[BODY].mean() - gray[24:36, 50:60].mean()


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "shift"),
    [
        ("i.mkv", "ffv1", "gray16le", 0),
        ("i.avi", "ffv1", "gray16le", 0),
        ("i.nut", "rawvideo", "gray16be", 0),
        ("i.mov", "png", "gray16be", 0),
        ("i.mkv", "jpeg2000", "gray16le", 0),
        ("i.mkv", "ffv1", "gray14le", 2),
        ("i.mkv", "ffv1", "gray12le", 4),
        ("i.mkv", "ffv1", "gray10le", 6),
    ],
)
def test_thermal_video_of_10_to_16_bits_is_fused_as_its_frames_in_files_are(
    run_tool, tmp_path, name, codec, pixels, shift
):
    """With the product's own model: that of the other tests is random."""
    model = ("--model", "default", "--backend", "auto")
    for folder in ("v", "i"):
        (tmp_path / folder).mkdir()
    for index, counts in enumerate(COUNTS):
        cv2.imwrite(str(tmp_path / "v" / f"{index}.png"), FRAMES[0].visible[..., ::-1])
        cv2.imwrite(str(tmp_path / "i" / f"{index}.png"), counts >> shift)
    folders = (tmp_path / "v", tmp_path / "i", "-o", tmp_path / "f", "--sequence")
    main([str(word) for word in ("fuse", *folders, *model)])
    still = [cv2.imread(str(path)) for path in sorted((tmp_path / "f").iterdir())]
    visible = encode(tmp_path / "v.mkv", [FRAMES[0].visible] * 5, "ffv1", "bgr0", layout="rgb24")
    infrared = encode(
        tmp_path / name, [counts >> shift for counts in COUNTS], codec, pixels,
        options={"pred": "1"} if codec == "jpeg2000" else None,
    )  # fmt: skip
    main([str(word) for word in ("fuse", visible, infrared, "-o", tmp_path / "f.avi", *model)])
    moving = frames_of(tmp_path / "f.avi")
    assert contrast(still) > 40, "the warm body is not seen"
    assert contrast(moving) == pytest.approx(contrast(still), abs=6)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_recording_without_a_rate_comes_out_at_its_own(lut_fuse, tmp_path, suffix):
    """As browsers, OBS and GStreamer write Matroska: FFmpeg guesses 1000 frames per second."""
    times = [0.04 * index + 0.001 * (index * 37 % 17) for index in range(30)]
    for name in ("v", "i"):
        encode(tmp_path / f"{name}.webm", flat(*[60] * 30), "libvpx", "yuv420p", layout="gray",
               times=times, rate=1000, options={"deadline": "realtime"})  # fmt: skip
    target = tmp_path / f"f{suffix}"
    assert lut_fuse(tmp_path / "v.webm", tmp_path / "i.webm", "-o", target)[0] == 0
    found = times_of(target)
    assert len(found) == 30
    assert found[-1] == pytest.approx(times[-1], abs=0.02)
    assert cv2.VideoCapture(str(target)).get(cv2.CAP_PROP_FPS) == pytest.approx(25, abs=1)


@pytest.mark.parametrize("size", ["of the whole file", "unknown", "as it is"])
@pytest.mark.parametrize("tail", [b"", bytes(4), b"GPS 12345 track"])
@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_whole_video_is_no_truncated_one(lut_fuse, tmp_path, suffix, size, tail):
    codec = "mjpeg" if suffix == ".avi" else "mpeg4"
    pixels = "yuvj420p" if suffix == ".avi" else "yuv420p"
    visible = encode(tmp_path / f"v{suffix}", flat(*[60] * 20), codec, pixels, layout="gray")
    infrared = save_video(tmp_path / "i.avi", flat(*[90] * 20), 10)
    data = visible.read_bytes() + tail
    if suffix == ".avi" and size != "as it is":  # what encoders write that cannot seek, or miscount
        announced = len(data) if size == "of the whole file" else 0xFFFFFFFF
        data = data[:4] + announced.to_bytes(4, "little") + data[8:]
    visible.write_bytes(data)
    status, output, errors = lut_fuse(visible, infrared, "-o", tmp_path / "f.avi", "--json")
    assert (status, errors) == (0, "")
    assert json.loads(output)["pairs"] == 20


def test_a_rotated_video_is_fused_as_the_sensor_saw_it_and_that_is_said(lut_fuse, tmp_path):
    visible = encode(tmp_path / "v.mp4", [f.visible for f in FRAMES], "mpeg4", "yuv420p",
                     layout="rgb24")  # fmt: skip
    data = visible.read_bytes()
    upright = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0))
    rotated = b"".join(
        (value & 0xFFFFFFFF).to_bytes(4, "big") for value in (0, 1 << 16, 0, -(1 << 16), 0, 0)
    )
    at = data.rindex(upright)  # the track's matrix; the first one is the movie's
    visible.write_bytes(data[:at] + rotated + data[at + len(upright) :])
    infrared = save_video(tmp_path / "i.avi", GRAY, 10)
    status, _, errors = lut_fuse(visible, infrared, "-o", tmp_path / "f.avi")
    assert status == 0
    assert re.search(r"v\.mp4 asks players to rotate it by (90|270) degrees", errors)
    assert frames_of(tmp_path / "f.avi")[0].shape == (HEIGHT, WIDTH, 3)


def test_a_video_without_frames_is_refused(lut_fuse, tmp_path):
    visible = encode(tmp_path / "v.mkv", [f.visible for f in FRAMES], "mpeg4", "yuv420p",
                     layout="rgb24")  # fmt: skip
    infrared = save_video(tmp_path / "i.avi", GRAY, 10)
    data = visible.read_bytes()
    visible.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75") + 30])  # into the first cluster
    status, _, errors = lut_fuse(visible, infrared, "-o", tmp_path / "f.avi")
    assert status == 2
    assert "v.mkv holds no frames" in errors
    assert not (tmp_path / "f.avi").exists()


@pytest.mark.parametrize("bad", ["v", "i"])
def test_of_two_videos_the_one_without_frames_is_named(lut_fuse, tmp_path, bad):
    for name in ("v", "i"):
        frames = b"FRAME\n" + bytes(64 * 48)
        head = b"YUV4MPEG2 W64 H48 F10:1 Ip A1:1 Cmono\n"
        (tmp_path / f"{name}.y4m").write_bytes(head + (b"" if name == bad else 3 * frames))
    videos = [tmp_path / f"{name}.y4m" for name in ("v", "i")]
    status, _, errors = lut_fuse(*videos, "-o", tmp_path / "f.mp4")
    assert status == 2
    assert f"{bad}.y4m holds no frames" in errors


def test_without_pyav_one_sentence_names_it(lut_fuse, tmp_path, monkeypatch):
    videos = [save_video(tmp_path / f"{name}.avi", GRAY, 10) for name in ("v", "i")]
    monkeypatch.setitem(sys.modules, "av", None)
    status, _, errors = lut_fuse(*videos, "-o", tmp_path / "f.avi")
    assert status == 1
    assert "run 'pip install av'" in errors
    assert errors.count("\n") == 1


def test_an_interlaced_video_is_fused_and_that_is_said(lut_fuse, tmp_path):
    visible = encode(
        tmp_path / "v.ts", [f.visible for f in FRAMES], "mpeg2video", "yuv420p", layout="rgb24",
        rate=25, options={"flags": "+ilme+ildct"},
    )  # fmt: skip
    infrared = save_video(tmp_path / "i.avi", GRAY, 25)
    status, _, errors = lut_fuse(visible, infrared, "-o", tmp_path / "f.avi")
    assert status == 0
    assert "v.ts is interlaced" in errors
