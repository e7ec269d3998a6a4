"""The samples of raw images: of some encodings by cv_bridge, of the others by the core.

The core reads the encodings of cameras without a copy, and all others of
`sensor_msgs/image_encodings` wherever cv_bridge is missing or wrong. What samples mean (colors,
mosaics, signed and floating-point numbers) is decided in the core, so that the node and the bag
tool show the same picture.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lut_fuse_core.io.image_encodings import AnyArray, check_image, samples_of

BY_CV_BRIDGE = frozenset(
    (
        *("rgba16", "bgra16", "8UC2", "16UC2", "16UC3", "16UC4"),
        *(
            f"{name}C{count}"
            for name in ("8S", "16S", "32S", "32F", "64F")
            for count in range(1, 5)
        ),
    )
)
"""What the core does not serve as a view of the message's data, and cv_bridge reads right. Not
nv12, which it does not know, and nv21 and nv24, of which it takes the brightness for two channels
and leaves out colors."""

Log = Callable[[str], None]


class Samples:
    """Reads the samples of raw images.

    Args:
        log: Takes the warning that cv_bridge cannot be imported; called once.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._bridge: Any = None
        self._tried = False

    def of(self, message: Any) -> tuple[AnyArray, str]:
        """The samples of an image, and their order; see `samples_of`, whose errors it raises."""
        layout = check_image(message)
        pixel = layout.channels * int(np.dtype(layout.dtype).itemsize)
        if message.encoding in BY_CV_BRIDGE and _is_plain(message, pixel):
            bridge = self._cv_bridge(message.encoding)
            if bridge is not None:
                return bridge.imgmsg_to_cv2(message), layout.order
        return samples_of(message)

    def _cv_bridge(self, encoding: str) -> Any:
        """cv_bridge, imported when it is first needed; None where it cannot be."""
        if not self._tried:
            self._tried = True
            try:
                from cv_bridge import CvBridge
                from cv_bridge.boost import cv_bridge_boost  # noqa: F401

                self._bridge = CvBridge()
            except Exception as error:  # of a build for another NumPy, anything
                self._log(
                    f"cv_bridge cannot be imported ({error}): {encoding} images are read without it"
                )
        return self._bridge


def _is_plain(message: Any, pixel: int) -> bool:
    """Whether cv_bridge reads a message right.

    It takes rows for whole pixels, so that others come out sheared, and needs the padding of the
    last row; samples in the other byte order break it under NumPy 2.

    Args:
        message: An image that does not contradict itself.
        pixel: Bytes per pixel.
    """
    return bool(
        message.step % pixel == 0
        and len(message.data) >= message.height * message.step
        and message.is_bigendian == (sys.byteorder == "big")
    )
