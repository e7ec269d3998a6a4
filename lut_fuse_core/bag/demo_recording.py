"""The synthetic street as a real rosbag2, as if two cameras had been recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.bag.definitions import STORE, header_of
from lut_fuse_core.bag.image_messages import CAMERA_INFO, RAW
from lut_fuse_core.bag.options import Storage
from lut_fuse_core.bag.topics import camera_info_topic
from lut_fuse_core.bag.writer import check_target, write_bag
from lut_fuse_core.io.ros_messages import image_fields
from lut_fuse_core.sync.stamps import NANOSECONDS
from lut_fuse_core.synthetic import SceneConfig, StreetScene
from lut_fuse_core.synthetic.camera_info import camera_info_fields

VISIBLE_TOPIC = "/camera/visible/image_raw"
INFRARED_TOPIC = "/camera/infrared/image_raw"
_IMAGES = {"visible": VISIBLE_TOPIC, "infrared": INFRARED_TOPIC}

START = 1_700_000_000 * NANOSECONDS
"""Stamp of the first frame, nanoseconds: an evening in November 2023."""

INFRARED_LAG = NANOSECONDS // 250
"""Time from the trigger of the visible camera to that of the infrared one, nanoseconds."""


def record_street(
    path: Path,
    config: SceneConfig,
    frames: int,
    *,
    storage: Storage = "mcap",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Record a synthetic street: images and camera_info of two cameras.

    Args:
        path: Folder of the new bag.
        config: The street.
        frames: Number of pairs, at least 1.
        storage: Format of the bag.
        overwrite: Whether a bag at ``path`` is replaced.
        progress: Called with the number of pairs so far and of all.

    Raises:
        InputError: If ``path`` exists, unless it is a bag and ``overwrite`` is set.
        OSError: If it cannot be written.
    """
    check_target(path, None, overwrite)
    scene = StreetScene(config)
    with write_bag(path, storage, None) as writer:
        topics = {
            side: (
                writer.add_topic(topic, RAW),
                writer.add_topic(camera_info_topic(topic), CAMERA_INFO),
            )
            for side, topic in _IMAGES.items()
        }
        for number, frame in enumerate(scene.frames(frames), start=1):
            visible = image_fields(frame.visible, "rgb8")
            for side, fields, lag in (
                ("visible", visible, 0),
                ("infrared", _counts_fields(frame.infrared), INFRARED_LAG),
            ):
                stamp = START + round(frame.time * NANOSECONDS) + lag
                image, info = topics[side]
                header = header_of(stamp, f"{side}_camera")
                recorded = stamp + NANOSECONDS // 200
                message = STORE.types[RAW](header=header, **fields)
                writer.write(image, recorded, STORE.serialize_cdr(message, RAW))
                calibration = _camera_info(header, config.width, config.height)
                writer.write(info, recorded, STORE.serialize_cdr(calibration, CAMERA_INFO))
            if progress is not None:
                progress(number, frames)


def _counts_fields(counts: npt.NDArray[Any]) -> dict[str, Any]:
    height, width = counts.shape
    return {
        "height": height,
        "width": width,
        "encoding": "16UC1",
        "is_bigendian": 0,
        "step": 2 * width,
        "data": counts.astype("<u2").view(np.uint8).reshape(-1),
    }


def _camera_info(header: Any, width: int, height: int) -> Any:
    """The pinhole of the synthetic camera, without distortion."""
    fields = camera_info_fields(width, height)
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"]
    return STORE.types[CAMERA_INFO](
        header=header,
        **fields | {name: np.array(fields[name], np.float64) for name in "dkrp"},
        binning_x=0,
        binning_y=0,
        roi=region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )
