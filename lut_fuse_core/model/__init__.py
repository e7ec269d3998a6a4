"""The model: lattice and context encoder, what they compute, and their file."""

from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.file import load_model, save_model
from lut_fuse_core.model.fusion_model import Axis, FusionModel, GradientSpec

__all__ = [
    "Axis",
    "ContextEncoder",
    "ConvBlock",
    "FusionModel",
    "GradientSpec",
    "load_model",
    "save_model",
]
