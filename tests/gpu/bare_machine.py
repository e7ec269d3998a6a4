"""Stand-ins for what a bare machine with a card may lack: imported first, before `lut_fuse_core`.

On such a machine nothing can be installed. What the tests and measurements on the card need of
OpenCV is little, and here it is, slow and in plain Python. A module that can
be imported is left alone; one that cannot, be it for its version, is replaced. Backends that need
more of it (`cpu`) are then reported as missing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np


def stand_in(name: str, **contents: Any) -> None:
    """A module with these contents where the real one cannot be imported."""
    try:
        importlib.import_module(name)
    except ImportError:
        for known in [known for known in sys.modules if known.split(".")[0] == name]:
            del sys.modules[known]
        module = ModuleType(name)
        vars(module).update(contents)
        module.__getattr__ = lambda what: _missing(name, what)  # type: ignore[method-assign]
        sys.modules[name] = module
        REPLACED.append(name)


def _missing(name: str, what: str) -> Any:
    if what.startswith("__"):
        raise AttributeError(what)
    raise ImportError(f"{name} cannot be imported on this machine")


REPLACED: list[str] = []
"""Names of the modules that were replaced."""


def _fixed_point(across: Any, down: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
    """`cv2.convertMaps` to CV_16SC2: whole pixels, and 32nds of them."""
    x, y = (np.rint(values * np.float32(32)).astype(np.int32) for values in (across, down))
    offsets = np.stack([x >> 5, y >> 5], axis=-1).astype(np.int16)
    return offsets, ((y & 31) * 32 + (x & 31)).astype(np.uint16)


stand_in("cv2", convertMaps=_fixed_point, CV_16SC2=11)
