"""Decoded video frames to arrays, at their full depth.

swscale, FFmpeg's converter, is asked for 8-bit images only: to 16 bits it would scale the counts of
10, 12 and 14-bit formats up, and dither where it scales down. Deep planes are taken as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.palettes import Palette, palette_of, quick_intensities

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter


LOOK_EVERY = 32
"""Frames after which the palette is looked for again."""

STEP = 4
"""Of the pixels that are looked at for color, one in so many rows and columns."""

TINT = 6
"""Steps of 8 bits by which chroma may differ from gray's where compression alone is to blame."""


class VisiblePixels:
    """Frames as RGB: converted with the matrix and range that the video is tagged with.

    Untagged ones are BT.601 of limited range, as FFmpeg and OpenCV take them. Transparency is
    ignored.
    """

    def __init__(self) -> None:
        self._reformatter = _reformatter()

    def __call__(self, frame: VideoFrame) -> UInt8Array:
        """``(H, W, 3) uint8``, RGB; deeper ones keep their upper 8 bits."""
        return _eight_bits(self._reformatter, frame, "rgb24")


class InfraredPixels:
    """Frames as raw infrared: counts as they are stored, of color formats the luma.

    Gray formats of more than 8 bits give their counts, whatever range they are tagged with; color
    formats of more than 8 bits their luma plane or, of RGB, the BT.601 luma of the counts. Formats
    of 8 bits with luma and chroma give luma of full range: limited range (16 to 235) is expanded.
    Of false colors the intensities are recovered (`palettes`), in 8 bits.
    """

    def __init__(self) -> None:
        self._reformatter = _reformatter()
        self._palette: Palette | None = None
        self._frames = 0

    def __call__(self, frame: VideoFrame) -> RawInfrared:
        """``(H, W) uint8``, or ``uint16`` where the video has more than 8 bits.

        Raises:
            InputError: For pixels that are floating-point numbers, or in colors of no known
                palette.
        """
        layout = frame.format
        bits = max(component.bits for component in layout.components)
        if bits > 16:
            raise InputError(
                f"the video's pixels are {layout.name}, of {bits} bits; convert it to gray16le"
            )
        colors = [component for component in layout.components if not component.is_alpha]
        is_gray = len(colors) == 1 and not layout.has_palette
        if bits == 8 and is_gray:
            return _samples(frame, 0, len(layout.components), np.dtype(np.uint8))
        kind = np.dtype(">u2" if layout.is_big_endian else "<u2")
        if is_gray and bits > 8:
            return _samples(frame, 0, len(layout.components), kind)
        palette = None if is_gray else self._palette_of(frame, kind)
        if palette is not None:
            return quick_intensities(_eight_bits(self._reformatter, frame, "rgb24"), palette)
        if bits <= 8 or layout.is_bayer:
            return _eight_bits(self._reformatter, frame, "gray")
        if not layout.is_rgb:
            return _samples(frame, colors[0].plane, 1, kind)
        if layout.is_planar:
            channels = [_samples(frame, color.plane, 1, kind) for color in colors]
        else:
            packed: Any = frame.to_ndarray()
            channels = [packed[..., index] for index in range(3)]
        return _luma(np.stack(channels, axis=2))

    def _palette_of(self, frame: VideoFrame, kind: np.dtype[Any]) -> Palette | None:
        """Look at the colors every now and then: it takes long, and palettes seldom change."""
        if self._frames % LOOK_EVERY == 0:
            has_chroma = frame.format.is_rgb or frame.format.has_palette or _has_chroma(frame, kind)
            try:
                self._palette = (
                    palette_of(_eight_bits(self._reformatter, frame, "rgb24"))
                    if has_chroma
                    else None
                )
            except InputError:
                if not self._frames:
                    raise
        self._frames += 1
        return self._palette


def _reformatter() -> VideoReformatter:
    from av.video.reformatter import VideoReformatter

    return VideoReformatter()


def _eight_bits(reformatter: VideoReformatter, frame: VideoFrame, form: str) -> UInt8Array:
    # One thread: a frame takes it a third of the time that several need to be started, and several
    # overwrite columns of each other (findings/swscale_threads_overwrite_columns.sh).
    converted = reformatter.reformat(frame, format=form, threads=1)
    return converted.to_ndarray().astype(np.uint8, copy=False)


def _samples(frame: VideoFrame, plane: int, step: int, kind: np.dtype[Any]) -> RawInfrared:
    """The first of every ``step`` samples in a plane, in the byte order of this machine."""
    height, width = frame.height, frame.width
    stored: Any = frame.planes[plane]
    rows = np.frombuffer(stored, np.uint8)[: height * stored.line_size]
    rows = rows.reshape(height, stored.line_size)[:, : width * step * kind.itemsize]
    samples = rows.view(kind) if rows.flags.c_contiguous else np.ascontiguousarray(rows).view(kind)
    return np.array(samples[:, ::step], kind.newbyteorder("="))


def _has_chroma(frame: VideoFrame, kind: np.dtype[Any]) -> bool:
    """Whether a frame of luma and chroma is more than weakly tinted, as compression makes it."""
    for component in frame.format.components:
        if not (component.is_luma or component.is_alpha):
            stored: Any = frame.planes[component.plane]
            rows = np.frombuffer(stored, np.uint8 if component.bits <= 8 else kind)
            rows = rows.reshape(-1, stored.line_size // rows.itemsize)[
                ::STEP, : stored.width : STEP
            ]
            middle = 1 << (component.bits - 1)
            if np.abs(rows.astype(np.int32) - middle).max() * 128 > TINT * middle:
                return True
    return False


def _luma(rgb: Any) -> RawInfrared:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
