"""Fusion of visible and infrared images by distilled look-up tables (LUT-Fuse)."""

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
