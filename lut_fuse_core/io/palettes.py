"""Intensities of infrared images in color, gray ones or false colors.

Thermal cameras and their software save images in palettes whose luma is no intensity: in jet the
hottest and the coldest pixels are equally dark. Where the palette is recognized with certainty, the
position of each color in it is the intensity.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.known_palettes import Palette, cyclic_palettes, palettes
from lut_fuse_core.libraries.opencv import cv2

GRAY_TOLERANCE = 12.0
"""Largest difference between the channels of a gray image, by JPEG or a weak tint, 8-bit levels."""

LOOKED_AT = 4096
"""Pixels, at least, by which a palette is recognized; all of a smaller image."""

SHARE = 0.93
"""Share of them that must fit; the rest may be a scale bar, a logo or ringing of JPEG."""

SMOOTH_SHARE = 0.85
"""The same for the half of them that differ least from their neighbors, as bars and logos do."""

CLOSE, DISTANT = 9.0, 30.0
"""Largest distances in RGB to the recognized palette: of half of the pixels, of `SMOOTH_SHARE`."""

MOST_COLORS = 8192
"""Different colors above which, as JPEG makes them, positions are looked up in a table whose error
is less than JPEG's."""

AMBIGUOUS = 1.5
"""Two palettes whose distances differ by less than this factor must agree on the intensities ..."""

WIDE = 0.7
"""... unless the image uses only a part of one, at most this share of what it uses of the other."""

OTHERS, VIVID = 0.003, 60.0
"""Share of the smooth pixels above which vivid colors off the palette mean something (the hottest
pixels in red, an isotherm), and the difference that makes a color vivid, or off the palette."""

SEARCHED = 1 << 19
"""Pixels that are searched for bodies in other colors; all of a smaller image."""

LEAST_BODY = 24
"""Pixels that are left of such a body when two are taken away all around."""

ALIKE = 8.0
"""Largest difference between a pixel of a JPEG and its neighbors away from edges, 8-bit levels."""

WARM = 40.0
"""Red minus blue above which a color is warm; below its negative it is cold."""

LUMA_STEP = 4.0
"""Luma within which a palette has one color."""

RARE = 0.001
"""Share of the pixels below which a luma is not looked at: single ones at edges."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def intensities(image: UInt8Array) -> UInt8Array:
    """The intensities of an infrared image in color.

    Args:
        image: ``(H, W, 3) uint8``, RGB.

    Returns:
        ``(H, W) uint8``: the position in the palette where that is a known one; the luma where the
        image is gray or its palette grows brighter throughout.

    Raises:
        InputError: For colors of another palette, or of none.
    """
    palette = palette_of(image)
    if palette is not None:
        return _positions(image, palette)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def palette_of(image: UInt8Array) -> Palette | None:
    """Recognize the palette of an infrared image.

    Args:
        image: ``(H, W, 3) uint8``, RGB.

    Returns:
        The palette; None where the luma is the intensity.

    Raises:
        InputError: For colors of another palette, or of none.
    """
    some, smooth, calm = _sample(image), _smooth(image), _smooth(image, ALIKE)
    if _is_gray(some) and not _are_others(calm, _spread(calm)):
        return None
    palette = _recognize(smooth, image)
    by_luma = not _is_cyclic(smooth) and _luma_is_order(some, calm)
    if palette is None and by_luma:
        return None
    if palette is not None and not (by_luma and _contradicts(smooth, palette)):
        return palette
    raise InputError(
        "infrared in colors of no known palette, from which intensities cannot be recovered; save "
        "it in gray (white hot), or take the camera's radiometric file (or are visible and "
        "infrared swapped?)"
    )


def quick_intensities(image: UInt8Array, palette: Palette) -> UInt8Array:
    """Positions in a palette, fast enough for videos: colors are rounded to 6 bits per channel.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        palette: One of the known ones: that of the video.

    Returns:
        ``(H, W) uint8``: the position in the palette.
    """
    red, green, blue = cv2.split(image >> 2)
    return _table(palette.name)[red, green, blue]


def _sample(image: UInt8Array) -> FloatArray:
    """Pixels from everywhere in an image, ``(n, 3) float32``."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / LOOKED_AT)))
    return image[::step, ::step].reshape(-1, 3).astype(np.float32)


def _smooth(image: UInt8Array, least: float = 0.0) -> FloatArray:
    """Pixels that are like their neighbors: JPEG mixes the colors of a palette along edges.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        least: Difference that counts as alike; more where half of the pixels differ by more.

    Returns:
        ``(n, 3) float32``; any pixels of an image of a single row or column.
    """
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / (2 * LOOKED_AT))))
    right, below = image[:-1, 1:][::step, ::step], image[1:, :-1][::step, ::step]
    pixels = image[:-1, :-1][::step, ::step].astype(np.float32)
    if not pixels.size:
        return _sample(image)
    change = np.maximum(np.abs(pixels - right), np.abs(pixels - below)).max(axis=2)
    return pixels[change <= max(least, float(np.median(change)))]


def _is_gray(pixels: FloatArray) -> bool:
    return float(np.quantile(_spread(pixels), SHARE)) <= GRAY_TOLERANCE


def _spread(pixels: FloatArray) -> npt.NDArray[Any]:
    return pixels.max(axis=1) - pixels.min(axis=1)


def _are_others(smooth: FloatArray, distances: npt.NDArray[Any]) -> bool:
    """Whether enough pixels are vivid, and so far from a palette, that it is not all of it."""
    return float(np.mean((_spread(smooth) > VIVID) & (distances > VIVID))) > OTHERS


def _is_cyclic(smooth: FloatArray) -> bool:
    return any(_fits(_nearest(smooth, each)[1]) for each in cyclic_palettes())


def _fits(distances: npt.NDArray[Any]) -> bool:
    return bool(np.median(distances) <= CLOSE and np.quantile(distances, SMOOTH_SHARE) <= DISTANT)


def _recognize(pixels: FloatArray, image: UInt8Array) -> Palette | None:
    candidates = []
    for palette in palettes():
        at, distance = _nearest(pixels, palette)
        if (
            _fits(distance)
            and not _are_others(pixels, distance)
            and not _has_other_bodies(image, palette)
        ):
            candidates.append((float(distance.mean()), palette, at))
    if not candidates:
        return None
    smallest = min(distance for distance, _, _ in candidates)
    cyclic = min(float(_nearest(pixels, each)[1].mean()) for each in cyclic_palettes())
    if AMBIGUOUS * cyclic + 1 < smallest:
        return None
    fitting = [each for each in candidates if each[0] <= AMBIGUOUS * smallest + 1]
    # Pictures use the whole of their palette: red to yellow is all of autumn, but a part of jet.
    _, best, at = max(fitting, key=lambda each: (_span(each[2]), -each[0]))
    for _, _, other in fitting:
        if not _agree(at, other) and _span(other) > WIDE * _span(at):
            return None
    return best


def _has_other_bodies(image: UInt8Array, palette: Palette) -> bool:
    """Whether a vivid color that is not in a palette covers more than lines and edges do: a small
    warm body, say, in front of much that has the colors of two palettes.

    Colors are rounded to 5 bits per channel.
    """
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / SEARCHED)))
    packed = (image[::step, ::step] >> 3).astype(np.uint16) @ np.array([1024, 32, 1], np.uint16)
    present = np.flatnonzero(np.bincount(packed.ravel(), minlength=1 << 15))
    middles = np.stack([present >> 10, present >> 5 & 31, present & 31], axis=1) * 8 + 3.5
    colors = middles.astype(np.float32)
    other = np.zeros(1 << 15, np.uint8)
    other[present] = (_spread(colors) > VIVID) & (_nearest(colors, palette)[1] > VIVID)
    bodies = cv2.erode(other[packed], np.ones((3, 3), np.uint8), iterations=2)
    return int(np.count_nonzero(bodies)) >= LEAST_BODY


def _span(positions: npt.NDArray[np.intp]) -> float:
    low, high = np.quantile(positions, (0.02, 0.98))
    return float(high - low)


def _nearest(pixels: FloatArray, palette: Palette) -> tuple[npt.NDArray[np.intp], npt.NDArray[Any]]:
    """Positions of the nearest colors and the distances to them, each ``(n,)``."""
    colors = palette.colors
    # Of the squared distances, what depends on the color, in one product.
    by_color = np.concatenate([-2 * colors, (colors**2).sum(1, keepdims=True)], axis=1)
    extended = np.ones((len(pixels), 4), np.float32)
    extended[:, :3] = pixels
    partial = extended @ by_color.T
    at = partial.argmin(axis=1)
    squares = partial[np.arange(len(at)), at] + (pixels**2).sum(1)
    return at, np.sqrt(np.maximum(squares, 0))


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


def _luma_is_order(pixels: FloatArray, smooth: FloatArray) -> bool:
    """Whether each luma comes with one color, and brighter ones are not colder: a palette that
    grows brighter throughout."""
    luma, chroma = _luma_and_chroma(pixels)
    strays = []
    for part in np.array_split(chroma[np.argsort(luma)], min(64, len(chroma))):
        strays.append(np.abs(part - np.median(part, axis=0)).max(axis=1))
    if float(np.quantile(np.concatenate(strays), SHARE)) > GRAY_TOLERANCE:
        return False
    distances, warmth = _by_luma(smooth)
    brighter_is_colder = (np.maximum.accumulate(warmth) > WARM) & (warmth < -WARM)
    other_colors = float(np.mean(distances > VIVID)) > OTHERS
    return not (other_colors or brighter_is_colder.any())


def _contradicts(smooth: FloatArray, palette: Palette) -> bool:
    """Whether a part of a palette is all that is used, and brighter colors are lower in it: it may
    as well be another palette that begins with these colors."""
    at, luma = _nearest(smooth, palette)[0], smooth @ _LUMA
    if _span(at) >= WIDE * 255 or not at.std() or not luma.std():
        return False
    return bool(np.corrcoef(at, luma)[0, 1] < 0)


def _luma_and_chroma(pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    luma = pixels @ _LUMA
    return luma, np.stack([pixels[:, 0] - luma, pixels[:, 2] - luma], axis=1)


def _by_luma(smooth: FloatArray) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """How far pixels are from the usual chroma of their luma, and red less blue by luma."""
    luma, chroma = _luma_and_chroma(smooth)
    distances, warmth = np.zeros(len(smooth)), []
    steps = (luma / LUMA_STEP).astype(np.intp)
    for step in np.unique(steps):
        part = np.flatnonzero(steps == step)
        if len(part) < RARE * len(smooth):
            continue
        usual = np.median(chroma[part], axis=0)
        distances[part] = np.abs(chroma[part] - usual).max(axis=1)
        warmth.append(usual[0] - usual[1])
    return distances, np.array(warmth)
