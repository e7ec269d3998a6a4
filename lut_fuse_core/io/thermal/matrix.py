"""Matrices of temperatures as text (.csv) or as NumPy arrays (.npy)."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.thermal_image import ThermalImage, check_thermal_size

NPY_MARK = b"\x93NUMPY"

FEWEST_COLUMNS = 8
"""Of a matrix; what is narrower is a table of something else."""

_UNKNOWN = {"", "nan", "null", "none", "na", "n/a", "-", "--", "---"}
_DELIMITERS = (";", "\t", ",", None)


def read_npy(content: bytes) -> ThermalImage:
    """The array in an .npy file.

    Args:
        content: Of the file.

    Returns:
        The image, of the array's number type.

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
    # A header is Python source, of which anything may come when it is damaged.
    except Exception:
        raise InputError("it is damaged, or no .npy file") from None
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array.reshape(max(array.shape[:2]) if array.shape[0] == 1 else array.shape[0], -1)
    if array.ndim != 2:
        raise InputError(f"it holds an array of shape {array.shape}; an image has two dimensions")
    check_thermal_size(array.shape[1], array.shape[0])
    return ThermalImage(np.ascontiguousarray(array))


def read_csv(content: bytes) -> ThermalImage:
    """The matrix of temperatures in a text file, as cameras' software exports it.

    Lines before and after it, names of its rows and columns, and decimal commas are understood.

    Args:
        content: Of the file.

    Returns:
        The image, ``float32``, NaN where a cell is empty.

    Raises:
        InputError: If it holds no matrix.
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
    return ThermalImage(_narrow(matrix))


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _matrix(lines: list[str], delimiter: str | None) -> Float64Array:
    """The longest run of lines with equally many numbers."""
    best: list[list[float]] = []
    run: list[list[float]] = []
    for line in [*lines, ""]:
        row = _numbers(line, delimiter)
        if row is not None and (not run or len(row) == len(run[0])):
            run.append(row)
            continue
        best, run = max(best, run, key=len), [] if row is None else [row]
    best = max(best, run, key=len)
    return np.array(best) if len(best) > 1 else np.empty((0, 0))


def _numbers(line: str, delimiter: str | None) -> list[float] | None:
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
            row.append(np.nan if text in _UNKNOWN else float(text))
        except ValueError:
            if number:
                return None
            row.append(np.nan)  # the name of the row
    return row if np.isfinite(row).any() else None


def _without_names(matrix: Float64Array) -> Float64Array:
    """Without a first row and column that number the others or name them."""
    columns, rows = matrix[0, 1:], matrix[1:, 0]
    if len(columns) > 2 and (np.diff(columns) == 1).all() and columns[0] in (0, 1):
        matrix = matrix[1:]
        rows = matrix[:, 0]
    if len(rows) > 2 and (np.isnan(rows).all() or (np.diff(rows) == 1).all()):
        matrix = matrix[:, 1:]
    return matrix


def _narrow(matrix: Float64Array) -> AnyInfrared:
    return matrix.astype(np.float32)
