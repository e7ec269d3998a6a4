"""The synthetic street as a real rosbag2, as if two cameras had been recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.bag.definitions import STORE
from lut_fuse_core.bag.image_messages import CAMERA_INFO, RAW
from lut_fuse_core.bag.writer import Storage, check_target, write_bag
from lut_fuse_core.io.ros_messages import image_fields
from lut_fuse_core.sync.stamps import NANOSECONDS
from lut_fuse_core.synthetic import SceneConfig, StreetScene
from lut_fuse_core.synthetic.camera_info import camera_info_fields

VISIBLE_TOPIC = "/camera/visible/image_raw"
INFRARED_TOPIC = "/camera/infrared/image_raw"
START = 1_700_000_000 * NANOSECONDS
"""Stamp of the first frame: an evening in November 2023."""

INFRARED_LAG = NANOSECONDS // 250
"""The infrared camera is triggered 4 ms after the visible one."""


def record_street(
    path: Path,
    config: SceneConfig,
    frames: int,
    *,
    storage: Storage = "mcap",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``frames`` pairs of a street as images and camera_info of two cameras.

    Raises:
        InputError: If ``path`` is taken (unless it is a bag and ``overwrite``).
    """
    check_target(path, None, overwrite)
    scene = StreetScene(config)
    with write_bag(path, storage, None) as writer:
        topics = {
            side: (
                writer.add_topic(f"/camera/{side}/image_raw", RAW),
                writer.add_topic(f"/camera/{side}/camera_info", CAMERA_INFO),
            )
            for side in ("visible", "infrared")
        }
        for number, frame in enumerate(scene.frames(frames), start=1):
            visible = image_fields(frame.visible, "rgb8")
            for side, fields, lag in (
                ("visible", visible, 0),
                ("infrared", _counts_fields(frame.infrared), INFRARED_LAG),
            ):
                stamp = START + round(frame.time * NANOSECONDS) + lag
                image, info = topics[side]
                header = _header(stamp, f"{side}_camera")
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


def _header(stamp: int, frame_id: str) -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](
        sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS
    )
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


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
