"""Writing videos: complete or not at all, in what players and browsers show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from videos import frames_of, times_of

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.video_writer import CODECS, write_video


def record(path: Path, frames: list[np.ndarray], times: list[float]) -> Path:
    height, width = frames[0].shape[:2]
    with write_video(path, (width, height), 10) as writer:
        for frame, time in zip(frames, times, strict=True):
            writer.write(frame, time)
    return path


def plain(*color: int) -> np.ndarray:
    return np.full((48, 64, 3), color, np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
@pytest.mark.parametrize("height", [47, 49, 50])
def test_a_video_of_odd_size_loses_nothing(tmp_path, suffix, height):
    frame = np.zeros((height, 61, 3), np.uint8)
    frame[-1], frame[:, -1] = 255, 255
    record(tmp_path / f"odd{suffix}", [frame] * 3, [0, 0.1, 0.2])
    last = frames_of(tmp_path / f"odd{suffix}")[-1].astype(int)
    assert last.shape == (height + height % 2, 62, 3)
    assert last[height - 1 :, 5:].mean() > 240
    assert last[5:, 60:].mean() > 240


@pytest.mark.parametrize("suffix", [suffix for suffix in CODECS if suffix != ".avi"])
def test_browsers_can_play_it(tmp_path, suffix):
    path = record(tmp_path / f"v{suffix}", [plain(200, 50, 30)] * 3, [0, 0.1, 0.2])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (6, 1)
    data = path.read_bytes()
    assert suffix == ".mkv" or data.index(b"moov") < data.index(b"mdat"), "it cannot be streamed"


@pytest.mark.parametrize("suffix", CODECS)
def test_colors_are_kept(tmp_path, suffix):
    colors = [(200, 50, 30), (30, 200, 50), (250, 250, 250), (5, 5, 5)]
    path = record(tmp_path / f"v{suffix}", [plain(*c) for c in colors], [0, 0.1, 0.2, 0.3])
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for color, frame in zip(colors, shown, strict=True):
        assert np.abs(frame.astype(int) - color).max() <= 6


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_keep_their_own_times(tmp_path, suffix):
    times = [0.0, 0.1, 0.15, 1.0, 1.001, 7.5]
    path = record(tmp_path / f"v{suffix}", [plain(9, 9, 9)] * 6, times)
    assert times_of(path) == pytest.approx(times, abs=0.001)


def test_what_is_no_video_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.mp4"), write_video(tmp_path / "v.txt", (64, 48), 10):
        pass


def test_a_frame_of_another_size_is_refused_and_nothing_left(tmp_path):
    with pytest.raises(InputError, match="32x24 comes after ones of 64x48"):
        record(tmp_path / "v.mp4", [plain(1, 2, 3), plain(1, 2, 3)[:24, :32]], [0, 0.1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_a_video_that_the_disk_has_no_room_for_is_not_left_in_part(tmp_path, suffix):
    target = tmp_path / f"f{suffix}"
    program = (
        "import resource, signal, sys; import numpy as np; from pathlib import Path;"
        "from lut_fuse_core.io.video_writer import write_video;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "noise = np.random.default_rng(0).integers(0, 256, (9, 240, 320, 3), dtype=np.uint8)\n"
        "with write_video(Path(sys.argv[1]), (320, 240), 10) as writer:\n"
        "    for number, frame in enumerate([*noise] * 4): writer.write(frame, number / 10)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=False
    )
    assert "is the disk full?" in process.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [suffix for suffix in CODECS if suffix != ".avi"])
def test_without_h264_mpeg4_is_written_at_the_frames_own_times(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", "mjpeg"})
    path = record(tmp_path / f"v{suffix}", [plain(200, 50, 30)] * 3, [0, 0.1, 0.35])
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert times_of(path) == pytest.approx([0, 0.1, 0.35], abs=1e-3)


@pytest.mark.parametrize("suffix", CODECS)
def test_a_frame_an_hour_is_a_video(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    with write_video(path, (64, 48), 1 / 3600) as writer:
        for number in range(3):
            writer.write(plain(200, 50, 30), 3600.0 * number)
    assert times_of(path) == pytest.approx([0, 3600, 7200], rel=1e-3)
