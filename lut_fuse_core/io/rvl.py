"""RVL, the run-length code for 16-bit images that compressedDepth has besides PNG.

Source: A. Wilson, "Fast Lossless Depth Image Compression", ISS 2017.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_encodings import check_size


def decode_rvl(data: UInt8Array) -> npt.NDArray[np.uint16]:
    """Decode an image.

    Args:
        data: ``(N,) uint8``: width and height (uint32, little-endian), then numbers with 3 bits in
            each nibble.

    Returns:
        ``(H, W) uint16``.

    Raises:
        InputError: For damaged data, or a size that is not believed.
    """
    if data.size < 8:
        raise InputError(f"an RVL image of {data.size} bytes is truncated")
    width, height = (int(number) for number in data[:8].view("<u4"))
    check_size(width, height)
    numbers = _numbers(data[8:])
    image = np.zeros(width * height, np.uint16)
    at, pixel, previous = 0, 0, 0
    while pixel < image.size:
        if at + 2 > numbers.size:
            raise InputError(f"an RVL image of {data.size} bytes is truncated")
        zeros, count = int(numbers[at]), int(numbers[at + 1])
        at, pixel = at + 2, pixel + zeros
        steps = numbers[at : at + count]
        if pixel + count > image.size or steps.size < count or not zeros + count:
            raise InputError(f"an RVL image of {data.size} bytes is damaged")
        if count:
            values = previous + np.cumsum((steps >> 1) ^ -(steps & 1))
            image[pixel : pixel + count] = values.astype(np.uint16)
            previous = int(values[-1])
        at, pixel = at + count, pixel + count
    return image.reshape(height, width)


def _numbers(data: UInt8Array) -> npt.NDArray[np.int64]:
    """All numbers in the code, ``(n,)``; each takes as many nibbles as it needs, lowest first."""
    words = data[: data.size // 4 * 4].view("<u4").astype(">u4").view(np.uint8)
    pairs = np.stack([words >> 4, words & 15], axis=1)
    nibbles: npt.NDArray[np.int64] = pairs.reshape(-1).astype(np.int64)
    last = np.flatnonzero(nibbles < 8)
    if not last.size:
        return np.empty(0, np.int64)
    nibbles = nibbles[: last[-1] + 1]
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(nibbles.size) - np.repeat(first, np.diff(np.append(first, nibbles.size)))
    # No valid number takes more than eleven nibbles; a damaged one may, and must not overflow.
    parts = (nibbles & 7) << np.minimum(3 * place, 60)
    return np.add.reduceat(parts, first)
