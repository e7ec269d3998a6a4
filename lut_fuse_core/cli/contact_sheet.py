"""Contact sheets: labeled images in rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array, in_three_channels

GAP = 6
HEADER = 34
LETTERS = cv2.FONT_HERSHEY_SIMPLEX


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[UInt8Array]]], headings: Sequence[str], cell_width: int = 480
) -> UInt8Array:
    """Draw rows of images under headings.

    Args:
        rows: Label and images of each row, ``(H, W, 3)`` or ``(H, W) uint8``, all of one size; at
            least one row. The label is written into the first image.
        headings: Headings of the columns.
        cell_width: Width of an image on the sheet, pixels.

    Returns:
        ``(H', W', 3) uint8``, RGB.
    """
    height, width = rows[0][1][0].shape[:2]
    cell = (cell_width, max(1, round(height * cell_width / width)))
    columns = len(headings)
    sheet_width = columns * (cell[0] + GAP) + GAP
    sheet = np.full((HEADER + len(rows) * (cell[1] + GAP), sheet_width, 3), 24, np.uint8)
    for column, heading in enumerate(headings):
        _write(sheet, heading, GAP + column * (cell[0] + GAP) + 2, HEADER - 11, 0.65)
    for row, (label, images) in enumerate(rows):
        top = HEADER + row * (cell[1] + GAP)
        for column, image in enumerate(images):
            left = GAP + column * (cell[0] + GAP)
            place = sheet[top : top + cell[1], left : left + cell[0]]
            place[:] = cv2.resize(in_three_channels(image), cell, interpolation=cv2.INTER_AREA)
        _write(sheet, label, GAP + 8, top + cell[1] - 10, 0.55)
    return sheet


def side_by_side(images: Sequence[UInt8Array], headings: Sequence[str]) -> UInt8Array:
    """Draw labeled images in a row, at their own size.

    Args:
        images: N images, ``(H, W, 3)`` or ``(H, W) uint8``, all of one size.
        headings: Their labels.

    Returns:
        ``(H, N * W, 3) uint8``, RGB, without an odd last row or column, which videos cannot have.
    """
    height, width = images[0].shape[:2]
    strip = np.hstack([in_three_channels(image) for image in images])
    size = min(0.7, width / 500)
    for column, heading in enumerate(headings):
        _write(strip, heading, column * width + 10, round(34 * size), size)
    return strip[: height // 2 * 2, : strip.shape[1] // 2 * 2]


def _write(image: UInt8Array, text: str, left: int, base: int, size: float) -> None:
    for shift, color in ((1, (0, 0, 0)), (0, (235, 235, 235))):
        place = (left + shift, base + shift)
        cv2.putText(image, text, place, LETTERS, size, color, 1, cv2.LINE_AA)
