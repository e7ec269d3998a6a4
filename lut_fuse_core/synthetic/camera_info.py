"""The calibration of the synthetic cameras, as `sensor_msgs/msg/CameraInfo` has it."""

from __future__ import annotations

from typing import Any

from lut_fuse_core.synthetic.camera_view import View


def camera_info_fields(width: int, height: int) -> dict[str, Any]:
    """The pinhole that the street is drawn with, without distortion.

    Args:
        width: Of the images in pixels.
        height: Of the images in pixels.

    Returns:
        The fields of a camera_info, but for its header, binning and region of interest; matrices as
        lists of float, row by row.
    """
    view = View(width, height)
    focal, (across, down) = view.focal, view.center
    return {
        "height": height,
        "width": width,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [focal, 0.0, across, 0.0, focal, down, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [focal, 0.0, across, 0.0, 0.0, focal, down, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
