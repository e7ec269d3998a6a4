"""rosbag2 without ROS: read a bag, fuse its images, write a new bag."""

from lut_fuse_core.bag.clock_offset import find_clock_offset
from lut_fuse_core.bag.fusing import fuse_bag
from lut_fuse_core.bag.options import BagOptions
from lut_fuse_core.bag.report import BagReport

__all__ = ["BagOptions", "BagReport", "find_clock_offset", "fuse_bag"]
