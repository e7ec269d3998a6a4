"""Names for the arrays that pass between modules, and for sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

RawInfrared = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Counts as an infrared camera gives them, ``(h, w)``."""

AnyInfrared = (
    RawInfrared
    | npt.NDArray[np.int16]
    | npt.NDArray[np.int32]
    | npt.NDArray[np.uint32]
    | npt.NDArray[np.float32]
    | npt.NDArray[np.float64]
)
"""Counts or temperatures of any type, ``(h, w)``, as a file or a driver gives them."""

Size = tuple[int, int]
"""Width and height in pixels."""
