"""Raw infrared to 8 bits: the running gray range, flat-field corrections, dead pixels."""

from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig

__all__ = ["InfraredNormalizer", "NormalizationConfig"]
