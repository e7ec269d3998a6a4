"""Contextual scene encoding (CSE): the context encoder in NumPy (equation 1, figure 3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.features import luma

INSTANCE_NORM_EPSILON = 1e-5


def encode(encoder: ContextEncoder, visible: UInt8Array, infrared: UInt8Array) -> FloatArray:
    """Context S of an image pair at full resolution (equation 1).

    Args:
        encoder: Of the model.
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(H, W) uint8``.

    Returns:
        ``(H, W) float32``, gray levels 0..255.
    """
    coarse = run_blocks(encoder, encoder_input(encoder, visible, infrared))
    return upsample(coarse, encoder.stride, visible.shape[:2])


def encoder_input(encoder: ContextEncoder, visible: UInt8Array, infrared: UInt8Array) -> FloatArray:
    """What the first convolution gets.

    The image is continued to a multiple of the stride by repeating its last row and column.

    Args:
        encoder: Of the model.
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(H, W) uint8``.

    Returns:
        ``(C, ceil(H/stride), ceil(W/stride)) float32``: gray levels times the encoder's
        ``input_scale``; C is `INPUT_CHANNELS` of its inputs times ``unshuffle`` squared.
    """
    if encoder.inputs == "rgb_infrared":
        planes = [visible[..., channel].astype(np.float32) for channel in range(3)]
    else:
        planes = [luma(visible)]
    stacked = np.stack([*planes, infrared.astype(np.float32)]) * np.float32(encoder.input_scale)
    height, width = infrared.shape
    stride = encoder.stride
    stacked = np.pad(stacked, ((0, 0), (0, -height % stride), (0, -width % stride)), mode="edge")
    return _unshuffle(_pool(stacked, encoder.pool), encoder.unshuffle)


def run_blocks(encoder: ContextEncoder, planes: FloatArray) -> FloatArray:
    """The convolutions.

    Args:
        encoder: Of the model.
        planes: ``(C, h, w) float32``, what `encoder_input` returns.

    Returns:
        The coarse context, ``(h, w) float32``, gray levels 0..255.
    """
    (last,) = deque(convolution_inputs(encoder, planes), maxlen=1)
    logits = _convolve(encoder.blocks[-1], last)[0]
    # Below -80 the sigmoid is 0 in gray levels; its exponential would overflow further down.
    return np.float32(255.0) / (np.float32(1.0) + np.exp(-np.maximum(logits, np.float32(-80.0))))


def convolution_inputs(encoder: ContextEncoder, planes: FloatArray) -> Iterator[FloatArray]:
    """What each convolution gets, from the first to the last.

    Args:
        encoder: Of the model.
        planes: ``(C, h, w) float32``, what `encoder_input` returns.

    Yields:
        ``(C, h, w) float32``, with the channels that the convolution takes.
    """
    yield planes
    hidden = first = _activate(encoder, encoder.blocks[0], planes)
    for block in encoder.blocks[1:-1]:
        yield hidden
        hidden = _activate(encoder, block, hidden)
    yield hidden + first if encoder.skip else hidden


def upsample(coarse: FloatArray, stride: int, shape: tuple[int, ...]) -> FloatArray:
    """Bilinear interpolation between the centers of ``stride`` x ``stride`` squares.

    Args:
        coarse: ``(h, w) float32``.
        stride: Side of a square, in pixels.
        shape: Height and width of the result.

    Returns:
        ``shape`` = (H, W), float32; beyond the outermost centers the edge values continue.
    """
    if stride == 1:
        return coarse
    rows, columns = (
        np.clip((np.arange(n, dtype=np.float32) + 0.5) / stride - 0.5, 0, m - 1).astype(np.float32)
        for n, m in zip(shape, coarse.shape, strict=True)
    )
    return _interpolate_rows(_interpolate_rows(coarse, rows).T, columns).T


def _interpolate_rows(image: FloatArray, rows: FloatArray) -> FloatArray:
    lower = np.floor(rows).astype(np.int64)
    upper = np.minimum(lower + 1, image.shape[0] - 1)
    fraction = (rows - lower.astype(np.float32))[:, None]
    return image[lower] * (1 - fraction) + image[upper] * fraction


def _pool(planes: FloatArray, size: int) -> FloatArray:
    channels, height, width = planes.shape
    blocks = planes.reshape(channels, height // size, size, width // size, size)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def _unshuffle(planes: FloatArray, size: int) -> FloatArray:
    """Neighbors to channels, in PyTorch's ``pixel_unshuffle`` order: (channel, row, column)."""
    channels, height, width = planes.shape
    blocks = planes.reshape(channels, height // size, size, width // size, size)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(-1, height // size, width // size)


def _convolve(block: ConvBlock, planes: FloatArray) -> FloatArray:
    channels, height, width = planes.shape
    padded = np.zeros((channels, height + 2, width + 2), planes.dtype)
    padded[:, 1:-1, 1:-1] = planes
    result = np.repeat(block.bias, height * width).reshape(-1, height * width)
    for row in range(3):
        for column in range(3):
            window = padded[:, row : row + height, column : column + width]
            result += np.dot(block.weight[:, :, row, column], window.reshape(channels, -1))
    return result.reshape(-1, height, width)


def _activate(encoder: ContextEncoder, block: ConvBlock, planes: FloatArray) -> FloatArray:
    hidden = _convolve(block, planes)
    hidden = np.where(hidden >= 0, hidden, hidden * np.float32(encoder.slope))
    if block.gain is None or block.offset is None:
        return hidden
    mean = hidden.mean(axis=(1, 2), keepdims=True)
    variance = hidden.var(axis=(1, 2), keepdims=True)
    normalized = (hidden - mean) / np.sqrt(variance + np.float32(INSTANCE_NORM_EPSILON))
    return normalized * block.gain[:, None, None] + block.offset[:, None, None]
