"""Matrices of temperatures as text (.csv) or as NumPy arrays (.npy)."""

from __future__ import annotations

import csv
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

_UNKNOWN = re.compile(
    r"|\W+|[<>].*|(nan|null|none|na|n/a|inf|over|under|ovf|ol|invalid)|#[\w/]+[!?]?"
)
"""Cells of pixels of which nothing is known: words for it, or no letter and digit at all."""

_NUMBER = re.compile(r"([-+]?\d+)[.,]?(\d*)(e[-+]?\d+)?\s*(?:[\u00b0\u00ba]?\s*[cfk])?")
"""A number, with a decimal comma or a unit of temperature."""

_DELIMITERS = (";", "\t", ",", "|", None)


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
        InputError: If it holds no matrix, several of one width, or a word where a number should
            be.
    """
    lines = _text(content).splitlines()
    best = _best(lines)
    if best.size == 0:  # each row followed by an empty line, perhaps
        best = _best([line for line in lines if line.strip()])
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
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(content) > 1 and content[first::2].count(0) > len(content) // 4:
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _best(lines: list[str]) -> Float64Array:
    """The largest matrix that any delimiter makes of the lines."""
    return max((_matrix(lines, delimiter) for delimiter in _DELIMITERS), key=np.size)


def _matrix(lines: list[str], delimiter: str | None) -> Float64Array:
    """The longest run of lines with equally many numbers; ``(0, 0)`` if no run has two lines.

    Raises:
        InputError: If there is another run of that width (a second image, or a part of this one),
            a row with a word in it, or if decimal commas look like delimiters.
    """
    cells = [_cells(line, delimiter) for line in lines]
    rows = [_numbers(each) for each in cells]
    runs = [list(run) for _, run in groupby(rows, key=lambda row: 0 if row is None else len(row))]
    matrices = [np.array(run) for run in runs if run[0] is not None and len(run) > 1]
    best = max(matrices, key=len, default=np.empty((0, 0)))
    if not best.size:
        return best
    width = best.shape[1]
    for number, (each, row) in enumerate(zip(cells, rows, strict=True), 1):
        words = [cell for cell in each[1:] if _number(cell) is None]
        if row is None and len(each) == width and 0 < len(words) < width / 2:
            raise InputError(f"line {number} holds {words[0]!r}, which is no number")
    parts = sum(matrix.shape[1] == width for matrix in matrices)
    if parts > 1:
        raise InputError(
            f"it holds {parts} matrices of {width} columns, apart from each other; save one image "
            "per file"
        )
    if delimiter == "," and _halves(
        [each for each in cells if len(each) == width and _numbers(each)]
    ):
        raise InputError(
            "its decimal commas cannot be told from the commas between its numbers; export it with "
            "semicolons or decimal points"
        )
    return best


def _cells(line: str, delimiter: str | None) -> list[str]:
    """The cells of a line; commas in quotes do not end one."""
    line = line.strip("\r\n ")
    if delimiter is None:
        return line.split()
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []
    if cells and not cells[-1].strip():
        cells.pop()  # lines that end with a delimiter
    return [cell.strip() for cell in cells]


def _numbers(cells: list[str]) -> list[float] | None:
    """The numbers in a line, NaN for unknown ones; None for a line that is no row of a matrix."""
    if len(cells) < FEWEST_COLUMNS or not any(cells[1:]):
        return None
    row = [_number(cell) for cell in cells]
    if row[0] is None:
        row[0] = np.nan  # the name of the row
    return None if None in row else row  # type: ignore[return-value]


def _number(cell: str) -> float | None:
    """The number in a cell, NaN for a pixel of which nothing is known; None for a word."""
    text = cell.lower().replace("\u2212", "-")
    try:
        return float(text)
    except ValueError:
        pass
    found = _NUMBER.fullmatch(text)
    if found:
        return float(f"{found[1]}.{found[2]}{found[3] or ''}")
    return np.nan if _UNKNOWN.fullmatch(text) else None


def _halves(rows: list[list[str]]) -> bool:
    """Whether every second cell may be what follows a decimal comma: digits that begin with 0, or
    one digit after several."""
    cells = np.array(rows)
    if cells.shape[1] % 2 or any("." in cell for row in cells for cell in row):
        return False
    whole, parts = cells[:, ::2].ravel(), cells[:, 1::2].ravel()
    if not all(part.isdigit() for part in parts):
        return False
    lengths = {len(part) for part in parts}
    zeros = any(part.startswith("0") and len(part) > 1 for part in parts)
    return len(lengths) == 1 and (zeros or (lengths == {1} and min(map(len, whole)) > 1))


def _without_names(matrix: Float64Array) -> Float64Array:
    """A matrix without its first row and column if they are numbers or names of the others."""
    if _is_axis(matrix[0, 1:], matrix[1, 1:]):
        matrix = matrix[1:]
    rows = matrix[1:, 0]
    if (len(rows) > 2 and np.isnan(rows).all()) or _is_axis(rows, matrix[1:, 1]):
        matrix = matrix[:, 1:]
    return matrix


def _is_axis(values: Float64Array, beside: Float64Array) -> bool:
    """Whether values rise or fall evenly, as pixel numbers and places do, and those beside do not:
    else they are a drawn ramp."""
    steps = np.diff(values)
    if len(steps) < 2 or not steps[0]:
        return False
    return bool(np.allclose(steps, steps[0]) and not np.allclose(np.diff(beside), steps[0]))
