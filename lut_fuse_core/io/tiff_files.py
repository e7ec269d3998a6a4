"""TIFF files, read with tifffile: OpenCV's reader silently scrambles planes and stacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_encodings import MAX_PIXELS
from lut_fuse_core.io.palettes import intensities
from lut_fuse_core.libraries.opencv import cv2

MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files of both byte orders begin."""

_UNCOMPRESSED, _DEFLATE, _DEFLATE_RATIO = 1, (8, 32946), 1032
"""TIFF's numbers of no compression and of Deflate, and the most bytes that Deflate makes of one."""

MOST_PAGES = 64
"""Pages that are examined: recordings have thousands, and damaged files endless chains."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_DECODED_TO_RGB = (6, 7)
"""Compressions, both JPEG, whose decoder makes RGB of luma and chroma."""

_FULL_RANGE = (0, 255, 128, 255, 128, 255)
_REDUCED_OR_MASK = 1 | 4
_UNSPECIFIED, _ASSOCIATED_ALPHA = 0, 1

_Page = Any
_Array = npt.NDArray[Any]


def read_tiff_infrared(content: bytes) -> AnyInfrared:
    """The infrared image in a TIFF file.

    Args:
        content: The file.

    Returns:
        ``(H, W)`` of the file's number type, of false colors uint8; 0 (in floating point NaN) where
        the image is transparent or marked as missing.

    Raises:
        InputError: For a damaged file, several images, or numbers that are no intensities.
        ModuleNotFoundError: If tifffile is not installed.
    """
    with _one_sentence():
        return _infrared(content)


def _infrared(content: bytes) -> AnyInfrared:
    page, array = _only_page(content)
    if page.photometric == _PALETTE:
        colormap = np.asarray(page.colormap)
        if _bits(page) > 8 and (colormap == colormap[:1]).all():
            return colormap[0][array.reshape(page.imagelength, page.imagewidth)]
        return intensities(_through_palette(page, array))
    image = _apart(page, array)
    colors, alpha = image[..., : _colors(page)], image[..., _colors(page) :]
    if colors.shape[-1] == 1:
        gray: _Array = colors[..., 0]
    elif (colors == colors[..., :1]).all():
        gray = colors[..., 0]
    elif colors.dtype == np.uint8:
        gray = intensities(np.ascontiguousarray(colors))
    else:
        raise InputError(
            "it holds colors of more than 8 bits, from which intensities cannot be recovered; "
            "save the infrared image in gray"
        )
    return _without_unseen(page, _black_is_zero(page, gray), alpha)


def read_tiff_visible(content: bytes) -> UInt8Array:
    """The color image in a TIFF file.

    Args:
        content: The file.

    Returns:
        ``(H, W, 3) uint8``, RGB; gray in three channels; of 16 bits the upper 8.

    Raises:
        InputError: For a damaged file, several images, or numbers other than 8 or 16 unsigned bits.
        ModuleNotFoundError: If tifffile is not installed.
    """
    with _one_sentence():
        return _visible(content)


def _visible(content: bytes) -> UInt8Array:
    page, array = _only_page(content)
    if page.photometric == _PALETTE:
        return _through_palette(page, array)
    image = _apart(page, array)[..., : _colors(page)]
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"it holds {image.dtype} numbers; a color image has 8 or 16 bits")
    image = _black_is_zero(page, image)
    if image.dtype == np.uint16:
        image = (image >> max(0, _bits(page) - 8)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def read_tiff_samples(content: bytes) -> _Array:
    """The samples of the one image in a TIFF file, in OpenCV's order.

    Args:
        content: The file.

    Returns:
        ``(H, W)``, or ``(H, W, C)`` in the order BGR, BGRA or BGR and more, of the file's number
        type; of two samples per pixel the first.

    Raises:
        InputError: For a damaged file, or several images.
        ModuleNotFoundError: If tifffile is not installed.
    """
    with _one_sentence():
        page, array = _only_page(content)
        if page.photometric == _PALETTE:
            return _through_palette(page, array)[..., ::-1]
        image = _black_is_zero(page, _apart(page, array))
        if image.shape[-1] < 3:
            return image[..., 0]
        return np.ascontiguousarray(image[..., [2, 1, 0, *range(3, image.shape[-1])]])


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Turn whatever tifffile raises in the block into one sentence, and silence its log."""
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        yield
    except (InputError, ModuleNotFoundError):
        raise
    # tifffile promises no particular error for damaged files.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"it is damaged ({reason})") from None
    finally:
        log.disabled = before


def _only_page(content: bytes) -> tuple[_Page, _Array]:
    """The one image in a file, and its samples as they are stored."""
    import tifffile

    with tifffile.TiffFile(BytesIO(content)) as file:
        pages = [page for page in file.pages[:MOST_PAGES] if _is_image(page)]
        if not pages:
            raise InputError("it holds no image, or only a reduced copy or a mask of one")
        if len(pages) > 1:
            raise InputError(
                f"it holds {len(file.pages)} images, and which one belongs to that of the other "
                "camera cannot be known; save one image per file"
            )
        page = pages[0]
        _check(page, len(content))
        try:
            return page, page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            compression = getattr(page.compression, "name", page.compression)
            raise InputError(
                f"it is compressed with {compression}, which takes imagecodecs; run "
                "'pip install imagecodecs'"
            ) from None


def _is_image(page: _Page) -> bool:
    return not int(page.subfiletype) & _REDUCED_OR_MASK


def _check(page: _Page, size: int) -> None:
    if page.imagedepth > 1:
        raise InputError("it holds a volume, not an image")
    pixels = page.imagewidth * page.imagelength
    if not pixels:
        raise InputError("it is damaged: its image has no pixels")
    if not 0 < pixels <= MAX_PIXELS or page.samplesperpixel > 16:
        raise InputError(
            f"it says its size is {page.imagewidth}x{page.imagelength}, of up to "
            f"{MAX_PIXELS >> 20} megapixels that are believed"
        )
    tag = page.tags.get(274)
    if tag is not None and tag.value in range(2, 9):
        raise InputError(
            f"it has a TIFF orientation of {int(tag.value)}, so it would be rotated and its "
            "partner would not; save it without one, as the sensor saw it"
        )
    segments = zip(page.dataoffsets, page.databytecounts, strict=False)
    if any(offset + count > size for offset, count in segments) or not page.dataoffsets:
        raise InputError("it is truncated")
    if np.prod(page.chunked, dtype=float) > len(page.dataoffsets):
        raise InputError("it is damaged: it has fewer parts than an image of its size")
    stored, whole = sum(page.databytecounts), pixels * page.samplesperpixel * _bits(page) / 8
    if page.compression == _UNCOMPRESSED and whole > size:
        raise InputError("it is truncated")
    is_deflate = page.compression in _DEFLATE and 0 not in page.databytecounts
    if is_deflate and whole > _DEFLATE_RATIO * stored:
        raise InputError("it is damaged: its data cannot hold an image of its size")
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR):
        raise InputError(f"its color space ({page.photometric!s}) holds no intensities")
    if page.photometric == _YCBCR and page.compression not in _DECODED_TO_RGB:
        _check_ycbcr(page)


def _check_ycbcr(page: _Page) -> None:
    levels = page.tags.get(532)  # ReferenceBlackWhite
    range_ = None if levels is None else np.divide(levels.value[::2], levels.value[1::2])
    subsampling = page.tags.valueof(530, (2, 2))
    if tuple(subsampling) != (1, 1) or page.samplesperpixel != 3 or _bits(page) != 8:
        raise InputError("it holds YCbCr colors of less resolution than luma; save it as RGB")
    if range_ is not None and tuple(range_) != _FULL_RANGE:
        raise InputError("it holds YCbCr colors of a limited range; save it as RGB")


def _bits(page: _Page) -> int:
    bits = page.bitspersample
    return int(max(bits) if isinstance(bits, tuple) else bits)


def _colors(page: _Page) -> int:
    return 3 if page.photometric in (_RGB, _YCBCR) else 1


def _apart(page: _Page, array: _Array) -> _Array:
    """Samples as ``(H, W, samples)``, also where they are stored plane by plane."""
    samples = page.samplesperpixel
    shape = (page.imagelength, page.imagewidth)
    if samples == 1:
        return array.reshape(*shape, 1)
    if int(page.planarconfig) == 2:
        image: _Array = np.moveaxis(array.reshape(samples, *shape), 0, -1)
    else:
        image = array.reshape(*shape, samples)
    if page.photometric == _YCBCR and page.compression not in _DECODED_TO_RGB:
        return _from_ycbcr(image)
    return image


def _from_ycbcr(image: _Array) -> _Array:
    """``(H, W, 3)`` RGB of luma and chroma; gray stays exactly what its luma is."""
    y, blue, red = np.moveaxis(image[..., :3], -1, 0)
    rgb = cv2.cvtColor(np.dstack([y, red, blue]), cv2.COLOR_YCrCb2RGB)
    return np.asarray(rgb).astype(np.uint8, copy=False)


def _black_is_zero(page: _Page, image: _Array) -> _Array:
    if page.photometric != _WHITE_IS_ZERO:
        return image
    if image.dtype.kind != "u":
        raise InputError(
            f"it holds {image.dtype} numbers of which the least is white; save it as 'minisblack'"
        )
    return ((1 << _bits(page)) - 1 - image).astype(image.dtype)


def _without_unseen(page: _Page, gray: _Array, alpha: _Array) -> _Array:
    unseen = np.zeros(gray.shape, bool)
    if alpha.shape[-1]:
        first, kind = alpha[..., 0], int(page.extrasamples[0]) if page.extrasamples else 0
        if kind == _UNSPECIFIED and (alpha != gray[..., None]).any():
            raise InputError(
                f"it holds {1 + alpha.shape[-1]} numbers per pixel, and which one is the intensity "
                "cannot be known; save one"
            )
        if kind == _ASSOCIATED_ALPHA and (first != first.max()).any():
            raise InputError("its numbers are multiplied with their alpha; save it without alpha")
        unseen = (first == 0) & (kind != _UNSPECIFIED)
    nodata = page.tags.get(42113)  # GDAL_NODATA
    if nodata is not None:
        unseen |= gray == page.nodata
    if unseen.all() or not unseen.any():
        return gray
    return np.where(unseen, np.nan if gray.dtype.kind == "f" else 0, gray).astype(gray.dtype)


def _through_palette(page: _Page, array: _Array) -> UInt8Array:
    """Colors of an image that is stored as positions in the file's own palette."""
    colors = (np.asarray(page.colormap) >> 8).astype(np.uint8).T
    return np.ascontiguousarray(colors[array.reshape(page.imagelength, page.imagewidth)])
