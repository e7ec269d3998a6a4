"""Matrices of temperatures as text (.csv) or as NumPy arrays (.npy)."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import groupby
from typing import Any

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.thermal_image import ThermalImage, check_thermal_size

NPY_MARK = b"\x93NUMPY"

FEWEST_COLUMNS = 8
"""Columns of the narrowest matrix; narrower tables hold something else."""

_UNKNOWN = {"nan", "null", "none", "na", "n/a", "-", "--", "---"}
_DELIMITERS = (";", "\t", ",", None)


def read_npy(content: bytes) -> ThermalImage:
    """The array in an .npy file.

    Args:
        content: The file.

    Returns:
        ``(h, w)`` of the array's own type, integers or floating point in either byte order; a
        third dimension of length 1 is dropped.

    Raises:
        InputError: For a damaged file, or an array that is no image.
    """
    stream = BytesIO(content)
    layout: Any = np.lib.format
    try:
        first = layout.read_magic(stream) == (1, 0)
        read_header = layout.read_array_header_1_0 if first else layout.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if dtype.hasobject or dtype.kind not in "fiu":
            raise InputError(f"it holds {dtype} values, not numbers")
        if np.prod([float(side) for side in shape]) * dtype.itemsize > len(content):
            raise InputError("it is truncated")
        array = np.load(BytesIO(content), allow_pickle=False)
    except InputError:
        raise
    # The header is Python source, which may raise anything if it is damaged.
    except Exception:
        raise InputError("it is damaged, or no .npy file") from None
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array.reshape(max(array.shape[:2]) if array.shape[0] == 1 else array.shape[0], -1)
    if array.ndim != 2:
        raise InputError(f"it holds an array of shape {array.shape}; an image has two dimensions")
    check_thermal_size(array.shape[1], array.shape[0])
    return ThermalImage(np.ascontiguousarray(array))


def read_csv(content: bytes) -> ThermalImage:
    """The matrix of temperatures in a text file, as camera software exports it.

    Other lines before and after it, names of rows and columns, and decimal commas are allowed.

    Args:
        content: The file.

    Returns:
        ``(h, w) float32``, NaN where a cell is empty or a word such as ``nan``.

    Raises:
        InputError: If it holds no matrix, or several of one width.
    """
    lines = _text(content).splitlines()
    best = max((_matrix(lines, delimiter) for delimiter in _DELIMITERS), key=np.size)
    if best.size == 0:
        raise InputError(
            "it holds no matrix of numbers; export the temperatures of all pixels, one image row "
            "per line"
        )
    matrix = _without_names(best)
    check_thermal_size(matrix.shape[1], matrix.shape[0])
    return ThermalImage(matrix.astype(np.float32))


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _matrix(lines: list[str], delimiter: str | None) -> Float64Array:
    """The longest run of lines with equally many numbers; ``(0, 0)`` if no run has two lines.

    Raises:
        InputError: If there is another run of that width: a second image, or a part of this one.
    """
    rows = (_numbers(line, delimiter) for line in lines)
    runs = [list(run) for _, run in groupby(rows, key=lambda row: 0 if row is None else len(row))]
    matrices = [np.array(run) for run in runs if run[0] is not None and len(run) > 1]
    best = max(matrices, key=len, default=np.empty((0, 0)))
    parts = sum(matrix.shape[1] == best.shape[1] for matrix in matrices)
    if parts > 1:
        raise InputError(
            f"it holds {parts} matrices of {best.shape[1]} columns, apart from each other; save "
            "one image per file"
        )
    return best


def _numbers(line: str, delimiter: str | None) -> list[float] | None:
    """The numbers in a line, NaN for unknown ones; None for a line that is no row of a matrix."""
    line = line.strip("\r\n ")
    cells = line.split() if delimiter is None else line.split(delimiter)
    if delimiter is not None and cells and not cells[-1].strip():
        cells = cells[:-1]  # lines that end with a delimiter
    if len(cells) < FEWEST_COLUMNS:
        return None
    row = []
    for number, cell in enumerate(cells):
        text = cell.strip().strip('"').lower()
        if delimiter != ",":
            text = re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", text)
        try:
            row.append(float(text) if text and text not in _UNKNOWN else np.nan)
        except ValueError:
            if number:
                return None
            row.append(np.nan)  # the name of the row
    return row if any(cell.strip() for cell in cells[1:]) else None


def _without_names(matrix: Float64Array) -> Float64Array:
    """A matrix without its first row and column if they are numbers or names of the others."""
    columns, rows = matrix[0, 1:], matrix[1:, 0]
    if len(columns) > 2 and (np.diff(columns) == 1).all() and columns[0] in (0, 1):
        matrix = matrix[1:]
        rows = matrix[:, 0]
    if len(rows) > 2 and (np.isnan(rows).all() or (np.diff(rows) == 1).all()):
        matrix = matrix[:, 1:]
    return matrix
