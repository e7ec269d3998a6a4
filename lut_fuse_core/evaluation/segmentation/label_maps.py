"""Label maps: images that hold the number of a class in every pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.arrays import Size, UInt8Array
from lut_fuse_core.errors import InputError

IGNORED = 255
"""Pixels of this number count for nothing."""

_PALETTE_PNG = 3
"""Type of color in a PNG's header."""


def read_label_map(path: Path, size: Size, classes: int) -> UInt8Array:
    """Read a label map.

    Args:
        path: An 8-bit gray or palette image.
        size: Width and height of the pair.
        classes: How many classes there are.

    Returns:
        ``(H, W) uint8``: numbers of classes, or `IGNORED`.

    Raises:
        InputError: If it cannot be read, is no map of class numbers, or does not fit.
    """
    found = _numbers(path)
    if found.shape != size[::-1]:
        raise InputError(
            f"the label map {path.name} is {found.shape[1]}x{found.shape[0]}, its pair "
            f"{size[0]}x{size[1]}"
        )
    numbers = np.unique(found)
    unknown = numbers[(numbers >= classes) & (numbers != IGNORED)]
    if len(unknown):
        raise InputError(
            f"the label map {path.name} has class {unknown[0]}, but only {classes} classes have "
            "names; give a text file with a name per line as --label-classes"
        )
    return found


def _numbers(path: Path) -> UInt8Array:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if content[:4] == b"\x89PNG" and content[25:26] == bytes([_PALETTE_PNG]):
        return _palette_numbers(path)
    image = (
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    )
    if image is None:
        raise InputError(f"{path} is not a readable image")
    if image.ndim == 3 and (image[..., :1] == image[..., :3]).all():
        image = image[..., 0]
    if image.ndim == 3 or image.dtype != np.uint8:
        raise InputError(
            f"{path.name} is no label map: it should hold the number of a class in every pixel, in "
            f"8 bits, but is a {'color' if image.ndim == 3 else image.dtype} image"
        )
    return image.astype(np.uint8, copy=False)


def _palette_numbers(path: Path) -> UInt8Array:
    """OpenCV gives a palette's colors, not its numbers."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InputError(
            f"{path.name} is a label map in a palette, which needs Pillow: pip install pillow"
        ) from None
    try:
        with Image.open(path) as image:
            return np.array(image, np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is not a readable image: {error}") from None
