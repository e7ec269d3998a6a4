"""Reading videos: their times, their ends, what is wrong with them."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from videos import GRAY, HEIGHT, WIDTH, encode, flat

from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.io.video_pixels import InfraredPixels, VisiblePixels
from lut_fuse_core.io.video_reader import VIDEO_SUFFIXES, VideoReader, average_rate
from lut_fuse_core.io.video_times import FrameClock, usual_rate

MOVING = [np.roll(GRAY[0], 3 * index, 1) for index in range(40)]

KINDS = {
    "index_last.mp4": ("libx264", "yuv420p", {}),
    "index_first.mp4": ("libx264", "yuv420p", {"movflags": "faststart"}),
    "fragments.mp4": ("mpeg4", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "phone.mov": ("mpeg4", "yuv420p", {}),
    "phone.3gp": ("mpeg4", "yuv420p", {}),
    "screen.mkv": ("libx264", "yuv420p", {}),
    "thermal.mkv": ("ffv1", "gray", {}),
    "browser.webm": ("libvpx", "yuv420p", {}),
    "jpeg.avi": ("mjpeg", "yuvj420p", {}),
    "camera.avi": ("mpeg4", "yuv420p", {}),
    "camera.mts": ("libx264", "yuv420p", {}),
    "camera.ts": ("mpeg2video", "yuv420p", {}),
    "lossless.nut": ("ffv1", "gray", {}),
    "raw.y4m": ("wrapped_avframe", "yuv420p", {}),
    "palette.gif": ("gif", "gray", {}),
    "bare.h264": ("libx264", "yuv420p", {}),
    "bare.hevc": ("libx265", "yuv420p", {}),
    "windows.wmv": ("wmv2", "yuv420p", {}),
    "disc.mpg": ("mpeg2video", "yuv420p", {}),
    "flash.flv": ("flv", "yuv420p", {}),
    "edit.mov": ("prores", "yuv422p10le", {}),
}
"""Codec, pixel format and options of the container, by file name."""

SAYS_ITS_LENGTH = ("index_first.mp4", "screen.mkv", "thermal.mkv", "browser.webm", "flash.flv")
MARKS_BROKEN_PACKETS = ("jpeg.avi", "camera.avi", "fragments.mp4", "lossless.nut")
NEEDS_ITS_END = ("index_last.mp4", "phone.mov", "phone.3gp", "edit.mov")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recorded")
    quiet = {"libx265": {"x265-params": "log-level=none"}}
    return {
        name: encode(folder / name, MOVING, codec, pixels, layout="gray", muxer=muxer,
                     options=quiet.get(codec))
        for name, (codec, pixels, muxer) in KINDS.items()
    }  # fmt: skip


def read(path: Path) -> VideoReader:
    reader = VideoReader(path, InfraredPixels())
    reader.times = [frame.time for frame in reader]
    return reader


def problem(path: Path) -> str:
    """What is said about a file; empty if nothing is wrong."""
    try:
        return read(path).damage
    except LutFuseError as error:
        return str(error)


def frames_in(path: Path) -> int:
    return read(path).frames_read


@pytest.mark.parametrize("name", KINDS)
def test_a_whole_recording_of_any_kind_is_read_at_its_times(recorded, name):
    reader = read(recorded[name])
    assert Path(name).suffix in VIDEO_SUFFIXES
    assert reader.damage == ""
    assert reader.times == pytest.approx([0.1 * index for index in range(40)], abs=0.006)
    assert reader.rate == pytest.approx(10, abs=0.2)
    assert not reader.uneven
    assert not reader.interlaced


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.98])
@pytest.mark.parametrize("name", [*SAYS_ITS_LENGTH, *MARKS_BROKEN_PACKETS])
def test_a_truncated_recording_is_told_from_a_whole_one(recorded, tmp_path, name, share):
    data = recorded[name].read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: round(share * len(data))])
    what = problem(cut)
    # At the very end the index may be all that is lost, or a frame and one that is shown before it.
    assert "truncated" in what or (frames_in(cut) >= 38 and share > 0.9)


@pytest.mark.parametrize("name", NEEDS_ITS_END)
def test_a_recording_that_has_lost_its_index_is_refused(recorded, tmp_path, name):
    data = recorded[name].read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: round(0.9 * len(data))])
    with pytest.raises(InputError, match="it is truncated or damaged"):
        VideoReader(cut, InfraredPixels())


def test_a_recording_cut_between_two_frames_is_truncated_too(recorded, tmp_path):
    """No packet is broken then: only the announced length tells."""
    data = recorded["jpeg.avi"].read_bytes()
    start = [at for at in range(len(data)) if data[at : at + 4] == b"00dc"][20]
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[:start])
    reader = read(cut)
    assert reader.frames_read in (19, 20)
    assert "is truncated" in reader.damage


def test_frames_destroyed_in_the_middle_are_counted_and_the_others_read(tmp_path):
    damaged = encode(tmp_path / "v.mkv", MOVING, "libx264", "yuv420p", layout="gray",
                     options={"g": "1"})  # fmt: skip
    data = bytearray(damaged.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    damaged.write_bytes(data)
    reader = read(damaged)
    assert reader.frames_read >= 36
    assert "is damaged: " in reader.damage


EVENLY = [0.1 * index for index in range(40)]
PAUSED_LATE = [0.1 * index + 0.5 * max(0, index - 36) for index in range(40)]


def reordered(path: Path, times: list[float]) -> Path:
    """A video in which frames are stored in another order than they are shown in."""
    return encode(path, MOVING, "libx264", "yuv420p", layout="gray", times=times,
                  options={"bf": "3"})  # fmt: skip


@pytest.mark.parametrize("name", ["v.mkv", "v.flv", "v.mp4", "v.mov", "v.ts"])
@pytest.mark.parametrize("start", [0.0, 5.0])
def test_a_whole_recording_may_start_at_any_time(tmp_path, name, start):
    reader = read(reordered(tmp_path / name, [start + time for time in EVENLY]))
    assert reader.damage == ""
    assert reader.times == pytest.approx(EVENLY, abs=0.002)


@pytest.mark.parametrize("name", ["v.mkv", "v.flv"])
def test_a_recording_that_starts_late_and_is_truncated_is_told(tmp_path, name):
    path = reordered(tmp_path / name, [5 + time for time in EVENLY])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert "is truncated" in read(path).damage


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4", "v.nut", "v.ts"])
def test_the_frames_that_a_decoder_holds_back_to_the_end_keep_their_times(tmp_path, name):
    reader = read(reordered(tmp_path / name, PAUSED_LATE))
    assert reader.times == pytest.approx(PAUSED_LATE, abs=0.002)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "ffv1"])
@pytest.mark.parametrize("frames_held_back", ["0", "2"])
@pytest.mark.parametrize("name", ["v.avi", "v.wmv"])
def test_formats_without_times_of_frames_are_read_at_their_rate(
    tmp_path, codec, frames_held_back, name
):
    options = {} if codec == "ffv1" else {"bf": frames_held_back}
    path = encode(tmp_path / name, MOVING, codec, "yuv420p", layout="gray", times=EVENLY,
                  options=options)  # fmt: skip
    reader = read(path)
    assert reader.damage == ""
    assert reader.times == pytest.approx(EVENLY, abs=0.004)


def test_a_last_frame_that_lasts_longer_than_the_others_is_not_missing(tmp_path):
    """Recorded at 30 frames per second, announced with 10."""
    times = [index / 30 for index in range(40)]
    path = encode(tmp_path / "v.mp4", MOVING, "libx265", "yuv420p", layout="gray", times=times,
                  options={"x265-params": "log-level=none"})  # fmt: skip
    assert read(path).damage == ""


def test_other_videos_in_the_same_file_are_counted_and_a_cover_is_none(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=10) for _ in range(2)]
        cover = container.add_stream("mjpeg", rate=10)
        for stream in (*streams, cover):
            stream.height, stream.width = MOVING[0].shape
            stream.pix_fmt = "yuvj420p" if stream is cover else "gray"
        cover.disposition = av.stream.Disposition.attached_pic
        for index, stream in enumerate((*streams, cover)):
            frame = av.VideoFrame.from_ndarray(MOVING[index], format="gray")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    reader = read(path)
    assert reader.frames_read == 1
    assert reader.other_videos == 1


def test_times_without_a_rate_are_taken_as_they_are(tmp_path):
    """FFmpeg guesses 1000 frames per second here, the resolution of Matroska's times."""
    times = [0.04 * index + 0.001 * (index * 37 % 17) for index in range(30)]
    path = encode(tmp_path / "v.webm", flat(*[60] * 30), "libvpx", "yuv420p", layout="gray",
                  times=times, rate=1000)  # fmt: skip
    reader = read(path)
    assert reader.times == pytest.approx(times, abs=0.001)
    assert reader.rate == pytest.approx(25, rel=0.05)
    assert average_rate(path) == pytest.approx(25, rel=0.02)


def test_a_video_that_slows_down_is_not_even(tmp_path):
    """Every step is near the average, but those in the middle are half a second early."""
    times = [*(0.05 * index for index in range(20)), *(1 + 0.1 * index for index in range(20))]
    path = encode(tmp_path / "v.mp4", flat(*[60] * 40), "mpeg4", "yuv420p", layout="gray",
                  times=times)  # fmt: skip
    assert read(path).uneven


def test_a_clock_goes_on_where_recorded_times_jump():
    clock = FrameClock(10)
    recorded = [5.0, 5.1, None, 5.3, 1.0, 1.1, 1e9, 1e9 + 0.1]
    assert [clock.tell(time) for time in recorded] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    )


@pytest.mark.parametrize(
    ("times", "announced", "rate"),
    [
        ([0, 0.1, 0.2, 0.3], 1000, 10),
        ([0.2, 0, 0.3, 0.1], 90000, 10),
        ([0, 0.1, 0.2, 9.0, 9.1, 9.2], None, 10),
        ([0, 0.033, 0.067, 0.1, 0.133], None, 30),
        ([], 50, 50),
        ([], None, 25),
        ([3.0], 90000, 25),
    ],
)
def test_the_usual_rate_comes_from_times_before_headers(times, announced, rate):
    assert usual_rate(times, announced) == pytest.approx(rate, rel=0.01)


def test_a_stream_that_was_joined_midway_is_not_damaged(tmp_path):
    path = encode(tmp_path / "v.ts", MOVING, "libx264", "yuv420p", layout="gray",
                  options={"g": "10", "bf": "0"})  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data[188 * (len(data) // 188 // 3) :])  # amid a group of pictures
    reader = read(path)
    assert 10 <= reader.frames_read < 35
    assert reader.damage == ""


@pytest.mark.parametrize("name", ["colon:in it.mp4", "100%d.mp4", os.fsdecode(b"caf\xe9.mp4")])
def test_any_file_name_is_a_name(recorded, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(recorded["index_last.mp4"].read_bytes())
    assert read(path).frames_read == 40


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.ts\n"]
)
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "v.ts"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"v\.ts (is not a video|holds no video)"):
        VideoReader(path, VisiblePixels())


def test_sound_without_pictures_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match="holds no video"):
        VideoReader(tmp_path / "sound.mkv", VisiblePixels())


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        VideoReader(tmp_path / "nowhere.mp4", VisiblePixels())


def test_a_stream_that_appears_midway_ends_nothing(tmp_path):
    """A recorder that switches the sound on. PyAV's demuxer fails with an IndexError there."""
    parts = []
    for number, has_sound in enumerate((False, True, False)):
        with av.open(str(tmp_path / "part.ts"), "w") as container:
            video = container.add_stream("mpeg2video", rate=25)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            sound = container.add_stream("mp2", rate=48000) if has_sound else None
            for index in range(20 * number, 20 * number + 20):
                frame = av.VideoFrame.from_ndarray(MOVING[index % len(MOVING)], format="gray")
                frame = frame.reformat(format="yuv420p", threads=1)
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(video.encode(frame))
                if sound is not None:
                    silence = av.AudioFrame(format="s16", layout="mono", samples=1920)
                    silence.planes[0].update(bytes(3840))
                    silence.sample_rate, silence.pts = 48000, 1920 * index
                    silence.time_base = Fraction(1, 48000)
                    container.mux(sound.encode(silence))
            for stream in filter(None, (video, sound)):
                container.mux(stream.encode(None))
        parts.append((tmp_path / "part.ts").read_bytes())
    # FFmpeg looks at the first megabytes and at the end of a file to find its streams.
    padding = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 30_000
    path = tmp_path / "v.ts"
    path.write_bytes(parts[0] + padding + parts[1] + padding[: len(padding) // 8] + parts[2])
    reader = read(path)
    assert (reader.frames_read, reader.damage) == (60, "")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "name", ["index_first.mp4", "screen.mkv", "jpeg.avi", "palette.gif", "raw.y4m"]
)
def test_flipped_bytes_end_in_a_sentence_or_in_frames(recorded, tmp_path, name, seed):
    data = bytearray(recorded[name].read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(data), 20):
        data[at] ^= int(rng.integers(1, 256))
    path = tmp_path / name
    path.write_bytes(data)
    what = problem(path)
    assert not what or str(path) in what


def test_a_title_in_another_encoding_is_no_obstacle(recorded, tmp_path):
    """Cameras and Windows programs write Latin-1; PyAV by itself refuses the whole file then."""
    path = tmp_path / "titled.mkv"
    with av.open(str(recorded["screen.mkv"])) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "W\u00e4rme"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = path.read_bytes()
    assert data.count("W\u00e4rme".encode()) == 1
    path.write_bytes(data.replace("W\u00e4rme".encode(), b"W\xe4rme "))
    assert frames_in(path) == 40
