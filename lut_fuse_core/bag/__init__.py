"""rosbag2 without ROS: read a bag, fuse its images, write a new bag."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lut_fuse_core.bag.clock_offset import find_clock_offset
    from lut_fuse_core.bag.fusing import fuse_bag
    from lut_fuse_core.bag.options import BagOptions
    from lut_fuse_core.bag.report import BagReport

__all__ = ["BagOptions", "BagReport", "find_clock_offset", "fuse_bag"]

_MODULES = {
    "BagOptions": "options",
    "BagReport": "report",
    "find_clock_offset": "clock_offset",
    "fuse_bag": "fusing",
}
"""Modules of the names above, imported when they are asked for: options need no package for bags,
and take none of the time that those take to load."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
