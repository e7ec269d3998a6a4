"""Fusion of visible and infrared images by distilled look-up tables (LUT-Fuse)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lut_fuse_core.backends.fuse_options import FuseOptions
    from lut_fuse_core.errors import BackendUnavailableError, InputError, LutFuseError, ModelError
    from lut_fuse_core.fuser import Fuser
    from lut_fuse_core.model.file import load_model, save_model
    from lut_fuse_core.model.fusion_model import FusionModel

__version__ = "0.1.0"

__all__ = [
    "BackendUnavailableError",
    "FuseOptions",
    "Fuser",
    "FusionModel",
    "InputError",
    "LutFuseError",
    "ModelError",
    "load_model",
    "save_model",
]

_MODULES = {
    "FuseOptions": "backends.fuse_options",
    "Fuser": "fuser",
    "FusionModel": "model.fusion_model",
    "load_model": "model.file",
    "save_model": "model.file",
}
"""Modules of the names above; `errors` has the others. Imported when they are asked for: `lut-fuse`
has something to set before NumPy is loaded."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
