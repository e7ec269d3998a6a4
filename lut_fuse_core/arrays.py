"""Names for the arrays that pass between modules, and for sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

RawInfrared = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Counts as an infrared camera gives them, ``(h, w)``."""

AnyInfrared = RawInfrared | npt.NDArray[np.floating[Any]] | npt.NDArray[np.integer[Any]]
"""Counts or temperatures of any type, ``(h, w)``, as a file or a driver gives them."""

Size = tuple[int, int]
"""Width and height in pixels."""
