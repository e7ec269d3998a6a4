"""Videos for tests: made with OpenCV or PyAV, read with OpenCV, which knows nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from lut_fuse_core.synthetic import SceneConfig, StreetScene

HEIGHT, WIDTH = 48, 64
FRAMES = [*StreetScene(SceneConfig(width=WIDTH, height=HEIGHT, rate=10.0)).frames(5)]
GRAY = [np.clip((f.infrared.astype(int) - 7000) // 4, 0, 255).astype(np.uint8) for f in FRAMES]


def flat(*levels: int) -> list[np.ndarray]:
    """Gray frames of one level each."""
    return [np.full((HEIGHT, WIDTH), level, np.uint8) for level in levels]


def save_video(path: Path, images: list[np.ndarray], rate: float) -> Path:
    """Motion JPEG through OpenCV; gray or RGB frames."""
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (images[0].shape[1], images[0].shape[0])
    )
    for image in images:
        writer.write(image[..., ::-1] if image.ndim == 3 else np.repeat(image[..., None], 3, 2))
    writer.release()
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames as OpenCV reads them, BGR."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        there, frame = capture.read()
        if not there:
            return found
        found.append(frame)


def times_of(path: Path) -> list[float]:
    """The presentation times of all frames in seconds."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def encode(
    path: Path,
    images: Sequence[np.ndarray],
    codec: str,
    pixels: str,
    *,
    times: Sequence[float] | None = None,
    rate: float = 10,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    layout: str | None = None,
    fill: Callable[[av.VideoFrame, np.ndarray], None] | None = None,
) -> Path:
    """A video through PyAV.

    Args:
        path: File; its suffix says the container.
        images: What PyAV takes for ``layout``; of one-plane 16-bit formats the samples themselves.
        codec: Of FFmpeg.
        pixels: Pixel format to encode.
        times: Of the frames in seconds; None for evenly spaced ones.
        rate: Frames per second as announced.
        options: Of the codec.
        muxer: Of the container.
        layout: Format of the images; None where they are samples of the pixel format itself.
        fill: Writes an image into a frame; None for the usual.
    """
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.options = pixels, options or {}
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, image in enumerate(images):
            frame = _frame(image, pixels, layout, fill)
            frame.pts = index if times is None else round(1000 * times[index])
            if times is not None:
                frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _frame(
    image: np.ndarray,
    pixels: str,
    layout: str | None,
    fill: Callable[[av.VideoFrame, np.ndarray], None] | None,
) -> av.VideoFrame:
    if layout is not None:
        return av.VideoFrame.from_ndarray(image, format=layout).reformat(format=pixels, threads=1)
    frame = av.VideoFrame(image.shape[1], image.shape[0], pixels)
    if fill is not None:
        fill(frame, image)
        return frame
    kind = np.uint8 if image.dtype == np.uint8 else ">u2" if pixels.endswith("be") else "<u2"
    width = image.shape[1] * (image.shape[2] if image.ndim == 3 else 1)
    np.frombuffer(frame.planes[0], kind).reshape(image.shape[0], -1)[:, :width] = image.reshape(
        image.shape[0], -1
    )
    return frame
