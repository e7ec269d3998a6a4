"""Decoded video frames to arrays, at their full depth.

swscale, FFmpeg's converter, is used for 8-bit images only: for 16 bits it would scale up the counts
of 10, 12 and 14-bit formats, and dither where it scales down. Deep planes are taken as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.known_palettes import Palette
from lut_fuse_core.io.palettes import palette_of, quick_intensities
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.tables import looked_up

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter


LOOK_EVERY = 32
"""Frames after which the palette is looked for again."""

STEP = 4
"""Every so many rows and columns a pixel is examined for color."""

TINT = 6
"""Largest deviation of chroma from gray that is put down to compression, 8-bit levels."""

_SIXTEEN_BITS = "(rgb|bgr)(555|565)"
"""Names of formats with 16 bits per color pixel; AVI and MOV declare raw 16-bit counts as such."""


class VisiblePixels:
    """Converts frames to RGB, with the matrix and range that the video is tagged with.

    Without tags that is BT.601 of limited range, as in FFmpeg and OpenCV. Transparency is ignored.
    """

    def __init__(self) -> None:
        self._reformatter = _reformatter()

    def __call__(self, frame: VideoFrame) -> UInt8Array:
        """Convert a frame.

        Args:
            frame: As PyAV decodes it.

        Returns:
            ``(H, W, 3) uint8``, RGB; of deeper formats the upper 8 bits.

        Raises:
            InputError: For a pixel format that FFmpeg does not convert.
        """
        return _eight_bits(self._reformatter, frame, "rgb24")


class InfraredPixels:
    """Converts the frames of one video to raw infrared.

    Gray of more than 8 bits gives its counts as they are stored, whatever range they are tagged
    with; color formats of more than 8 bits give their luma or, of RGB, the BT.601 luma of the
    counts. Formats of 8 bits with luma and chroma give luma of full range: limited range (16 to
    235) is expanded. Of false colors the intensities are recovered in 8 bits, see `palettes`.
    """

    def __init__(self) -> None:
        self._reformatter = _reformatter()
        self._palette: Palette | None = None
        self._frames = 0
        self._levels: dict[tuple[str, int], UInt8Array] = {}

    def __call__(self, frame: VideoFrame) -> AnyInfrared:
        """Convert the next frame.

        Args:
            frame: As PyAV decodes it.

        Returns:
            ``(H, W)`` uint8 or the wider type that the video has: uint16, or floating point of 16
            or 32 bits.

        Raises:
            InputError: For a pixel format that is not supported (colors in floating point or more
                than 16 bits among them), or, in the first frame, colors of no known palette.
        """
        layout = _layout(frame.format.name)
        bits, kind = layout.bits, layout.kind
        if layout.is_gray and bits >= 8:
            return _samples(frame, 0, layout.samples, kind)
        if kind.kind == "f" or bits > 16:
            raise InputError(
                f"the video's pixels are {frame.format.name}: colors that are "
                f"{'floating-point' if kind.kind == 'f' else f'{bits}-bit'} numbers; convert it to "
                "gray16le (ffmpeg -i IN -pix_fmt gray16le -c:v ffv1 OUT.mkv)"
            )
        palette = None if layout.is_gray else self._palette_of(frame, kind)
        if palette is not None:
            return quick_intensities(_eight_bits(self._reformatter, frame, "rgb24"), palette)
        if bits == 8 and layout.has_plane_of_luma:
            return self._luma_of(frame)
        if bits <= 8 or frame.format.is_bayer:
            return _eight_bits(self._reformatter, frame, "gray")
        frame = _in_planes(self._reformatter, frame, bits)
        kind = _layout(frame.format.name).kind
        if not frame.format.is_rgb:
            return _samples(frame, 0, 1, kind)
        if frame.format.is_planar:
            planes = [color.plane for color in frame.format.components if not color.is_alpha]
            channels = [_samples(frame, plane, 1, kind) for plane in planes]
        else:
            packed: Any = frame.to_ndarray()
            channels = [packed[..., index] for index in range(3)]
        return _luma(np.stack(channels, axis=2))

    def _luma_of(self, frame: VideoFrame) -> UInt8Array:
        """Full-range luma of 8 bits: swscale's, looked up, which is a quarter of the work."""
        layout = frame.format.name, int(frame.color_range)
        levels = self._levels.get(layout)
        if levels is None:
            levels = self._levels[layout] = _luma_levels(self._reformatter, frame)
        return looked_up(plane_of(frame, 0, frame.width), levels)

    def _palette_of(self, frame: VideoFrame, kind: np.dtype[Any]) -> Palette | None:
        """The palette; looked for in some frames only: that takes long, and it seldom changes."""
        if self._frames % LOOK_EVERY == 0:
            has_chroma = frame.format.is_rgb or frame.format.has_palette or _has_chroma(frame, kind)
            try:
                self._palette = (
                    palette_of(_eight_bits(self._reformatter, frame, "rgb24"))
                    if has_chroma
                    else None
                )
            except InputError as error:
                if not self._frames and re.match(_SIXTEEN_BITS, frame.format.name):
                    raise InputError(
                        f"its pixels are declared as {frame.format.name}, colors of 16 bits, and "
                        "are none of a known palette; if they are 16-bit counts, write them to a "
                        "file that can say so (from the original: ffmpeg -i ORIGINAL -c:v ffv1 "
                        "-pix_fmt gray16le OUT.mkv)"
                    ) from error
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
    frame = _low_byte_first(frame)
    try:
        converted = reformatter.reformat(frame, format=form, threads=1)
    except OSError:
        raise InputError(
            f"the video's pixels are {frame.format.name}, which FFmpeg does not convert; save it "
            "in another pixel format"
        ) from None
    length = converted.planes[0].line_size
    if form == "rgb24" and length == 3 * frame.width and converted is not frame:
        # The plane itself, which nobody else has.
        return plane_of(converted, 0, length).reshape(frame.height, frame.width, 3)
    return converted.to_ndarray().astype(np.uint8, copy=False)


def _luma_levels(reformatter: VideoReformatter, frame: VideoFrame) -> UInt8Array:
    """Gray level that swscale makes of each luma in frames of this format and range, ``(256,)``."""
    from av import VideoFrame

    ramp = VideoFrame(256, 16, frame.format.name)
    ramp.color_range = frame.color_range
    for index, plane in enumerate(ramp.planes):
        row = np.arange(plane.line_size) if index == 0 else np.full(plane.line_size, 128)
        plane.update(np.tile(row.astype(np.uint8), plane.buffer_size // plane.line_size).tobytes())
    return _eight_bits(reformatter, ramp, "gray")[0].copy()


def plane_of(frame: VideoFrame, plane: int, width: int) -> UInt8Array:
    """A plane of a frame without the padding of its rows.

    Args:
        frame: As PyAV decodes it.
        plane: Its number.
        width: Bytes of a row that are used.

    Returns:
        ``(h, width) uint8``: a view, which keeps the plane.
    """
    stored: Any = frame.planes[plane]
    length = abs(stored.line_size)  # negative where the last row comes first
    rows = np.frombuffer(stored, np.uint8)[: stored.height * length].reshape(-1, length)
    return rows[:: 1 if stored.line_size > 0 else -1, :width]


def _low_byte_first(frame: VideoFrame) -> VideoFrame:
    """A frame with the bytes of its pixels in the order that swscale takes.

    Of packed colors of 5 and 6 bits with the high byte first, as QuickTime Animation has them, it
    confuses the bytes (findings/swscale_confuses_the_bytes_of_rgb555be.sh).
    """
    if not re.fullmatch(f"{_SIXTEEN_BITS}be", frame.format.name):
        return frame
    from av import VideoFrame

    swapped = VideoFrame(frame.width, frame.height, frame.format.name[:-2] + "le")
    stored: Any = frame.planes[0]
    swapped.planes[0].update(np.frombuffer(stored, "<u2").byteswap())
    return swapped


def _in_planes(reformatter: VideoReformatter, frame: VideoFrame, bits: int) -> VideoFrame:
    """A deep frame whose luma has a plane of its own, or whose RGB can be read.

    Of packed formats of as many bits swscale keeps the counts.
    """
    layout = frame.format
    first = layout.components[0].plane
    packed = sum(component.plane == first for component in layout.components) > 1
    if layout.is_rgb:
        if not re.match(r"x2(rgb|bgr)10", layout.name):
            return frame
        form = "gbrp10le"
    elif layout.name.startswith("xyz"):
        form = "gbrp12le"
    elif packed:
        form = f"yuv444p{bits}le"
    else:
        return frame
    return reformatter.reformat(frame, format=form, threads=1)


@dataclass(frozen=True)
class _Layout:
    """How a pixel format stores its samples.

    Attributes:
        bits: Of a sample.
        samples: Per pixel, with alpha.
        kind: Their type, in the byte order of the format.
        is_gray: Whether there are no colors.
        has_plane_of_luma: Whether luma is stored apart.
    """

    bits: int
    samples: int
    kind: np.dtype[Any]
    is_gray: bool
    has_plane_of_luma: bool


@lru_cache(maxsize=16)
def _layout(name: str) -> _Layout:
    """That of the format that FFmpeg calls so; asking for it takes as long as some conversions."""
    from av import VideoFormat

    layout = VideoFormat(name)
    first, *others = layout.components
    bits = max(component.bits for component in layout.components)
    letter = "f" if re.search(r"f(16|32)(le|be)$", name) else "u"
    size = 1 if bits <= 8 else 2 if bits <= 16 else 4
    return _Layout(
        bits,
        len(layout.components),
        np.dtype(f"{'>' if layout.is_big_endian else '<'}{letter}{size}"),
        sum(not each.is_alpha for each in layout.components) == 1 and not layout.has_palette,
        first.is_luma and all(each.plane != first.plane for each in others),
    )


def _samples(frame: VideoFrame, plane: int, step: int, kind: np.dtype[Any]) -> AnyInfrared:
    """The first of every ``step`` samples in a plane, in the byte order of this machine."""
    rows = plane_of(frame, plane, frame.width * step * kind.itemsize)
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


def _luma(rgb: Any) -> AnyInfrared:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
