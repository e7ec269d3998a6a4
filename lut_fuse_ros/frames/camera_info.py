"""The calibration of the visible camera, as it is published beside the fused image."""

from __future__ import annotations

from copy import copy

from sensor_msgs.msg import CameraInfo

MAX_SKEW = 0.01
"""By how much the two scales between a calibration and an image may differ."""


def fitted(info: CameraInfo, width: int, height: int) -> CameraInfo | None:
    """A camera_info for images of a size.

    Args:
        info: As the driver publishes it.
        width: Of the images in pixels.
        height: Of the images in pixels.

    Returns:
        ``info`` itself if its size, or its region of interest after binning, is that of the images;
        scaled to them if they show all of the sensor in another size; None if it does not fit.
    """
    binning = max(1, info.binning_x), max(1, info.binning_y)
    region = info.roi.width or info.width, info.roi.height or info.height
    seen = region[0] // binning[0], region[1] // binning[1]
    if (width, height) in ((info.width, info.height), region, seen):
        return info
    whole = region == (info.width, info.height) and binning == (1, 1)
    if not whole or not info.width or not info.height:
        return None
    across, down = width / info.width, height / info.height
    if abs(across / down - 1) > MAX_SKEW:
        return None
    return _scaled(info, width, height)


def _scaled(info: CameraInfo, width: int, height: int) -> CameraInfo:
    """Centers of pixels have whole numbers; the corner of the first is at (-0.5, -0.5)."""
    across, down = width / info.width, height / info.height
    scaled = copy(info)
    scaled.width, scaled.height = width, height
    k, p = list(info.k), list(info.p)
    for matrix, columns in ((k, 3), (p, 4)):
        for row, scale in ((0, across), (1, down)):
            first = row * columns
            matrix[first : first + columns] = [scale * value for value in matrix[first:][:columns]]
            if matrix[first + row]:
                matrix[first + 2] += (scale - 1) / 2
    scaled.k, scaled.p = k, p
    return scaled


def misfit(info: CameraInfo, width: int, height: int) -> str:
    """The sentence for a camera_info that does not fit images of a size; empty if it does."""
    if fitted(info, width, height) is not None:
        return ""
    region = f", region {info.roi.width}x{info.roi.height}" if info.roi.width else ""
    return (
        f"the visible camera_info is for {info.width}x{info.height}{region} and its images are "
        f"{width}x{height}: it is not published"
    )
