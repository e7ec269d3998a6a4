"""Procedural thermal and visible scenes for the demo, tests and training."""

from lut_fuse_core.synthetic.scene import SceneConfig, SceneFrame, StreetScene

__all__ = ["SceneConfig", "SceneFrame", "StreetScene"]
