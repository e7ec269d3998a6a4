"""Pairs side by side: visible, infrared and fused as embedded JPEG images."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.evaluation.metrics import METRIC_NAMES

WIDEST = 640
"""Pixels to which wider images are scaled down, so that the page stays small enough to mail."""

JPEG_QUALITY = 88


def side_by_side(title: str, scores: dict[str, float], images: Sequence[UInt8Array]) -> str:
    """A figure of visible, infrared and fused, under the pair's name and numbers.

    Args:
        title: The pair's name.
        scores: By metric.
        images: Three ``(H, W, 3) uint8`` RGB or ``(H, W) uint8`` images.
    """
    numbers = " · ".join(f"{name} {scores[name]:.2f}" for name in METRIC_NAMES)
    cells = "".join(
        f'<div><img alt="{label}" src="{data_address(image)}"><small>{label}</small></div>'
        for label, image in zip(("visible", "infrared", "fused"), images, strict=True)
    )
    return (
        f'<figure><figcaption><b>{escape(title)}</b> <span class="soft">{numbers}</span>'
        f'</figcaption><div class="three">{cells}</div></figure>'
    )


def data_address(image: UInt8Array) -> str:
    """An image as a ``data:`` address.

    Args:
        image: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
    """
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)
    height, width = image.shape[:2]
    if width > WIDEST:
        size = (WIDEST, max(round(height * WIDEST / width), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
