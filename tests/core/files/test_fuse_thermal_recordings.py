"""Recordings of thermal cameras, fused with a video like infrared videos."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from thermal_files import degrees, fff

from lut_fuse_core.io.thermal.sequence import ThermalSequence

av = pytest.importorskip("av")


def visible_video(path, frames: int = 12, rate: int = 10):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 80, 60, "bgr0"
        for number in range(frames):
            image = np.full((60, 80, 3), 60 + 5 * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def seq(path, frames: int = 12, rate: float = 10.0, jpeg_ls: bool = False):
    if jpeg_ls:
        pytest.importorskip("imagecodecs")
    stamps = (1_700_000_000 + number / rate for number in range(frames))
    images = (degrees() + 0.1 * (number % 3) for number in range(frames))
    path.write_bytes(
        b"".join(
            fff(image, stamp=stamp, jpeg_ls=jpeg_ls)
            for image, stamp in zip(images, stamps, strict=True)
        )
    )
    return path


def test_a_flir_sequence_has_its_own_times_and_temperatures(tmp_path) -> None:
    pytest.importorskip("flyr")
    reader = ThermalSequence(seq(tmp_path / "t.seq", frames=15, rate=8.0))
    frames = list(reader)
    assert reader.rate == pytest.approx(8.0, rel=0.02)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(15) / 8, abs=2e-3)
    assert np.abs(frames[4].image - degrees() - 0.1).max() < 0.06
    assert (reader.frames_read, reader.damage) == (15, "")


def test_a_telops_recording_is_calibrated_frame_by_frame(tmp_path) -> None:
    fasthcc = pytest.importorskip("fasthcc")
    counts = np.stack([np.full((60, 80), 1000 + 10 * number, np.uint16) for number in range(6)])
    offsets = [{"DataOffset": 280.0 + number} for number in range(6)]
    path = tmp_path / "t.hcc"
    fasthcc.write_hcc(path, counts, frame_rate=50.0, data_exp=-4, metadata=offsets)
    reader = ThermalSequence(path)
    levels = [float(frame.image[0, 0]) for frame in reader]
    assert reader.rate == pytest.approx(50.0)
    assert levels == pytest.approx([1000 / 16 + 280 + 1.625 * number for number in range(6)])


@pytest.mark.parametrize("suffix", [".seq", ".csq", ".hcc"])
def test_a_recording_is_fused_with_a_video(suffix, run_tool, tmp_path) -> None:
    pytest.importorskip("flyr")
    fasthcc = pytest.importorskip("fasthcc")
    thermal = tmp_path / f"t{suffix}"
    if suffix != ".hcc":
        seq(thermal, jpeg_ls=suffix == ".csq")
    else:
        kelvin = np.stack([degrees() + 273.15] * 12).astype(np.float32)
        fasthcc.write_hcc(thermal, kelvin, frame_rate=10.0, data_offset=270.0, data_exp=-9)
    visible = visible_video(tmp_path / "v.mkv")
    status, out, errors = run_tool("fuse", visible, thermal, "-o", tmp_path / "o.mkv")
    assert (status, errors) == (0, "")
    assert "12 pairs fused" in out
    capture = cv2.VideoCapture(str(tmp_path / "o.mkv"))
    image = capture.read()[1].astype(int)
    assert abs(image[25:35, 45:55].mean() - image[:10, :10].mean()) > 10


def test_a_truncated_sequence_is_fused_as_far_as_it_goes(run_tool, tmp_path) -> None:
    pytest.importorskip("flyr")
    thermal = seq(tmp_path / "t.seq")
    content = thermal.read_bytes()
    thermal.write_bytes(content[: len(content) * 5 // 12 + 3000])
    visible = visible_video(tmp_path / "v.mkv")
    status, out, errors = run_tool("fuse", visible, thermal, "-o", tmp_path / "o.mkv")
    assert status == 1
    assert "t.seq is damaged after 5 frames" in errors
    assert "5 pairs fused" in out or "6 pairs fused" in out


def test_a_file_without_frames_is_refused(run_tool, tmp_path) -> None:
    pytest.importorskip("flyr")
    (tmp_path / "t.seq").write_bytes(b"nothing of the kind" * 10)
    visible = visible_video(tmp_path / "v.mkv")
    status, _, errors = run_tool("fuse", visible, tmp_path / "t.seq", "-o", tmp_path / "o.mkv")
    assert status == 2
    assert "t.seq" in errors
    assert not (tmp_path / "o.mkv").exists()


def test_the_memory_does_not_grow_with_a_sequence(tmp_path) -> None:
    pytest.importorskip("flyr")
    path = seq(tmp_path / "t.seq", frames=60)
    reader = ThermalSequence(path)
    tracemalloc.start()
    for _ in reader:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size
