"""Visible video of which only luma is converted: its colors come out as they were read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from videos import FRAMES, GRAY, encode

from lut_fuse_core.arrays import is_gray_view
from lut_fuse_core.cli import main
from lut_fuse_core.io.video_pixels import VisiblePixels
from lut_fuse_core.io.video_planes import ColorPlanes, joined
from lut_fuse_core.io.video_writer import CODECS, write_video

BT709 = 1


def picture(width: int = 64, height: int = 48, form: str = "yuv420p") -> av.VideoFrame:
    """Muted colors, all of which RGB can show."""
    rng = np.random.default_rng(2)
    frame = av.VideoFrame(width, height, form)
    for index, plane in enumerate(frame.planes):
        low, high = (60, 190) if index == 0 else (110, 146)
        plane.update(rng.integers(low, high, plane.buffer_size).astype(np.uint8).tobytes())
    return frame


@pytest.mark.parametrize("size", [(64, 48), (61, 47), (70, 50)])
def test_planes_come_back_as_they_were(size) -> None:
    frame = picture(*size)
    taken = ColorPlanes()(frame)
    assert taken.chroma is not None
    planes = joined(taken.image[..., 0], taken.chroma)
    height, width = (side + side % 2 for side in size[::-1])
    stored = [
        np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    ]
    np.testing.assert_array_equal(planes[: size[1], : size[0]], stored[0])
    assert planes.shape == (height * 3 // 2, width)
    np.testing.assert_array_equal(planes[height - 1, : size[0]], stored[0][-1])
    np.testing.assert_array_equal(planes[height:].ravel(), np.concatenate(stored[1:]).ravel())


def test_luma_spans_black_to_white() -> None:
    frame = av.VideoFrame(256, 16, "yuv420p")
    for plane in frame.planes:
        plane.update((np.arange(plane.buffer_size) % 256).astype(np.uint8).tobytes())
    taken = ColorPlanes()(frame)
    assert is_gray_view(taken.image)
    wanted = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255)
    assert np.abs(taken.image[0, :, 0] - wanted).max() <= 0.5


@pytest.mark.parametrize("what", ["BT.709", "full range", "4:4:4", "10 bits"])
def test_what_cannot_be_written_as_it_is_becomes_rgb(what) -> None:
    forms = {"4:4:4": "yuv444p", "10 bits": "yuv420p10le", "full range": "yuvj420p"}
    frame = picture(form=forms.get(what, "yuv420p"))
    if what == "BT.709":
        frame.colorspace = BT709
    if what == "full range":
        frame.color_range = 2
    taken = ColorPlanes()(frame)
    assert taken.chroma is None
    np.testing.assert_array_equal(taken.image, VisiblePixels()(frame))


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_planes_are_written_with_their_colors(tmp_path, suffix) -> None:
    luma_plane = np.full((48, 64), 128, np.uint8)
    chroma = np.full((24, 32), 90, np.uint8), np.full((24, 32), 200, np.uint8)
    assert suffix in CODECS
    with write_video(tmp_path / f"v{suffix}", (64, 48), 10) as writer:
        writer.write_planes(luma_plane, chroma, 0.0)
    with av.open(str(tmp_path / f"v{suffix}")) as container:
        (shown,) = container.decode(video=0)
    # BT.601: (128 + 1.402 * 72 * 255 / 224, ...)
    wanted = 128 + np.array([1.402 * 72, -0.344 * -38 - 0.714 * 72, 1.772 * -38]) * 255 / 224
    found = shown.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
    assert np.abs(found - wanted).max() < 4


def fused(folder: Path, form: str) -> list[np.ndarray]:
    """The street fused by the command, its visible frames stored in a pixel format."""
    visible = encode(
        folder / f"{form}.mkv", [f.visible for f in FRAMES], "ffv1", form, layout="rgb24"
    )
    infrared = encode(folder / f"{form}_i.mkv", GRAY, "ffv1", "gray", layout="gray")
    target = folder / f"{form}_fused.mp4"
    assert main(["fuse", str(visible), str(infrared), "-o", str(target)]) == 0
    with av.open(str(target)) as container:
        return [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]


def test_a_video_is_fused_alike_whether_its_colors_become_rgb_or_not(tmp_path) -> None:
    # 4:4:4 becomes RGB: a level darker, as swscale rounds, and with other colors at edges.
    for planes, rgb in zip(fused(tmp_path, "yuv420p"), fused(tmp_path, "yuv444p"), strict=True):
        difference = np.abs(planes.astype(int) - rgb)
        assert difference[:48].mean() < 2.5
        assert difference[48:].mean() < 4
