"""Intensities of infrared images in color: of gray ones, and of those that are in a palette.

Thermal cameras and their software save pictures in palettes, whose luma is no intensity: in jet
the hottest and the coldest pixels are equally dark. Where the palette is recognized with certainty
the position of each color in it is the intensity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.errors import InputError

GRAY_TOLERANCE = 12.0
"""Difference between the channels that JPEG, or a weak tint, gives a gray image."""

LOOKED_AT = 4096
"""Pixels by which a palette is recognized."""

SHARE = 0.93
"""Share of them that must fit; the rest may be a scale bar, a logo or ringing of JPEG."""

SMOOTH_SHARE = 0.85
"""The same of the half of them that are like their neighbors, as bars and logos are."""

CLOSE, DISTANT = 9.0, 30.0
"""Distances in RGB at most to the recognized palette: of half of the pixels, of `SMOOTH_SHARE`."""

MOST_COLORS = 8192
"""Of pictures with more different colors, which JPEG has made, positions are looked up in a table
that is coarser by less than JPEG's errors."""

AMBIGUOUS = 1.5
"""Two palettes whose distances differ by less than this factor must agree on the intensities."""

WIDE = 0.7
"""Unless one of them is used in a part only, at most this share of the other."""

_FLIR_IRON = (
    *((0, 31, 37), (29, 17, 103), (72, 11, 142), (110, 10, 160), (143, 17, 161), (171, 29, 149)),
    *((193, 46, 127), (210, 65, 98), (224, 87, 69), (234, 109, 43), (241, 133, 22)),
    *((243, 157, 10), (245, 180, 12), (243, 200, 33), (239, 218, 73), (232, 231, 141)),
    (225, 239, 239),
)
_IRONBOW = (
    *((0, 0, 10), (30, 0, 110), (85, 0, 150), (140, 0, 157), (178, 13, 150), (205, 45, 115)),
    *((225, 80, 50), (240, 115, 12), (250, 155, 0), (255, 195, 15), (255, 230, 75)),
    (255, 255, 246),
)
_ANCHORS = {"iron": _FLIR_IRON, "ironbow": _IRONBOW}
"""Palettes by colors at even distances. Source: palettes stored in files of FLIR cameras."""

_OPENCV = (
    *("jet", "turbo", "rainbow", "inferno", "magma", "plasma", "viridis", "cividis", "parula"),
    *("hot", "cool", "bone", "pink", "ocean", "winter", "summer", "autumn", "spring"),
)
"""Those of OpenCV, equal or nearly so in matplotlib and MATLAB. Not hsv and twilight: their ends
have the same color."""


@dataclass(frozen=True)
class Palette:
    """A palette.

    Attributes:
        name: As users know it.
        colors: ``(256, 3) float32``, RGB, from the lowest to the highest intensity.
    """

    name: str
    colors: FloatArray


def intensities(image: UInt8Array) -> UInt8Array:
    """What an infrared image in color says of the intensities.

    Args:
        image: ``(H, W, 3) uint8``, RGB.

    Returns:
        ``(H, W) uint8``: the luma where the image is gray or grows brighter with the intensity
        throughout its palette; the position in the palette where that is one of those known.

    Raises:
        InputError: If the colors are of no palette, or of one that is not known.
    """
    palette = palette_of(image)
    if palette is not None:
        return _positions(image, palette)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def palette_of(image: UInt8Array) -> Palette | None:
    """The palette that an infrared image is in; None where its luma is the intensity.

    Args:
        image: ``(H, W, 3) uint8``, RGB.

    Raises:
        InputError: If the colors are of no palette, or of one that is not known.
    """
    some = _sample(image)
    if _is_gray(some):
        return None
    palette = _recognize(_smooth(image))
    if palette is not None or _luma_is_order(some):
        return palette
    raise InputError(
        "infrared in colors of no known palette, from which intensities cannot be recovered; save "
        "it in gray (white hot), or take the camera's radiometric file (or are visible and "
        "infrared swapped?)"
    )


def quick_intensities(image: UInt8Array, palette: Palette) -> UInt8Array:
    """Positions in a palette, for videos: of colors of 6 bits per channel.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        palette: The one that the video is in.

    Returns:
        ``(H, W) uint8``.
    """
    red, green, blue = cv2.split(image >> 2)
    return _table(palette.name)[red, green, blue]


@cache
def palettes() -> tuple[Palette, ...]:
    """The palettes that are recognized."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    found = []
    for name in _OPENCV:
        number = getattr(cv2, f"COLORMAP_{name.upper()}", None)
        if number is not None:
            colors = cv2.cvtColor(cv2.applyColorMap(ramp, number), cv2.COLOR_BGR2RGB)
            found.append(Palette(name, colors[:, 0].astype(np.float32)))
    for name, anchors in _ANCHORS.items():
        at = np.linspace(0, 255, len(anchors))
        channels = [np.interp(np.arange(256), at, channel) for channel in np.transpose(anchors)]
        found.append(Palette(name, np.stack(channels, axis=1).astype(np.float32)))
    return tuple(found)


def _sample(image: UInt8Array) -> FloatArray:
    """Pixels from everywhere in an image, ``(n, 3) float32``."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / LOOKED_AT)))
    return image[::step, ::step].reshape(-1, 3).astype(np.float32)


def _smooth(image: UInt8Array) -> FloatArray:
    """Pixels that are like their neighbors: JPEG mixes the colors of a palette along edges."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / (2 * LOOKED_AT))))
    right, below = image[:-1, 1:][::step, ::step], image[1:, :-1][::step, ::step]
    pixels = image[:-1, :-1][::step, ::step].astype(np.float32)
    if not pixels.size:
        return _sample(image)
    change = np.maximum(np.abs(pixels - right), np.abs(pixels - below)).max(axis=2)
    return pixels[change <= np.median(change)]


def _is_gray(pixels: FloatArray) -> bool:
    spread = pixels.max(axis=1) - pixels.min(axis=1)
    return float(np.quantile(spread, SHARE)) <= GRAY_TOLERANCE


def _recognize(pixels: FloatArray) -> Palette | None:
    candidates = []
    for palette in palettes():
        at, distance = _nearest(pixels, palette)
        if np.median(distance) <= CLOSE and np.quantile(distance, SMOOTH_SHARE) <= DISTANT:
            candidates.append((float(distance.mean()), palette, at))
    if not candidates:
        return None
    smallest = min(distance for distance, _, _ in candidates)
    fitting = [each for each in candidates if each[0] <= AMBIGUOUS * smallest + 1]
    # Pictures use the whole of their palette: red to yellow is all of autumn, but a part of jet.
    _, best, at = max(fitting, key=lambda each: (_span(each[2]), -each[0]))
    for _, _, other in fitting:
        if not _agree(at, other) and _span(other) > WIDE * _span(at):
            return None
    return best


def _span(positions: npt.NDArray[np.intp]) -> float:
    low, high = np.quantile(positions, (0.02, 0.98))
    return float(high - low)


def _nearest(pixels: FloatArray, palette: Palette) -> tuple[npt.NDArray[np.intp], npt.NDArray[Any]]:
    """Positions of the nearest colors and the distances to them, each ``(n,)``."""
    colors = palette.colors
    squares = (pixels**2).sum(1)[:, None] - 2 * pixels @ colors.T + (colors**2).sum(1)
    at = squares.argmin(axis=1)
    return at, np.sqrt(np.maximum(squares[np.arange(len(at)), at], 0))


def _agree(one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> bool:
    if not one.std() or not other.std():
        return True
    return bool(np.corrcoef(one, other)[0, 1] > 0.95)


def _positions(image: UInt8Array, palette: Palette) -> UInt8Array:
    packed = image.reshape(-1, 3).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    unique, back = np.unique(packed, return_inverse=True)
    colors = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], axis=1)
    if len(colors) > MOST_COLORS:
        return _table(palette.name)[tuple((colors >> 2).T)][back].reshape(image.shape[:2])
    at = _nearest(colors.astype(np.float32), palette)[0].astype(np.uint8)
    return at[back].reshape(image.shape[:2])


@cache
def _table(name: str) -> UInt8Array:
    """Position in a palette of each color of 6 bits per channel, ``(64, 64, 64)``."""
    palette = next(each for each in palettes() if each.name == name)
    levels = np.arange(64, dtype=np.float32) * 4 + 1.5
    table = np.empty((64, 64, 64), np.uint8)
    for red in range(64):  # bounds the memory
        colors = np.stack(np.meshgrid(levels[red], levels, levels, indexing="ij"), axis=-1)
        table[red] = _nearest(colors.reshape(-1, 3), palette)[0].reshape(64, 64)
    return table


def _luma_is_order(pixels: FloatArray) -> bool:
    """Whether each luma comes with one color: a palette that grows brighter throughout."""
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    order = np.argsort(luma)
    chroma = np.stack([pixels[:, 0] - luma, pixels[:, 2] - luma], axis=1)[order]
    strays = []
    for part in np.array_split(chroma, 64):
        strays.append(np.abs(part - np.median(part, axis=0)).max(axis=1))
    return float(np.quantile(np.concatenate(strays), SHARE)) <= GRAY_TOLERANCE
