"""The data of an image message, in whose memory it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from lut_fuse_core.arrays import UInt8Array


def bytes_of(data: Any) -> UInt8Array:
    """The ``data`` of an image message as an array.

    Args:
        data: What has a buffer; or a `rosidl_buffer.Buffer` of ROS 2 Lyrical, which stands for the
            memory of a GPU, has none, and copies itself to the CPU when it is asked to.

    Returns:
        ``(N,) uint8``: a view, read-only if ``data`` is; of a `rosidl_buffer.Buffer` a copy.
    """
    if not len(data):
        return np.empty(0, np.uint8)
    return np.frombuffer(data.to_array() if hasattr(data, "to_array") else data, np.uint8)
