"""LeRobot data sets: an episode for each recording, a data set for each part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lut_fuse_core.arrays import in_three_channels
from lut_fuse_core.errors import InputError
from lut_fuse_core.export.examples import Example, ImageSettings

TASK = "look"
"""Task of all frames: LeRobot needs one, and recordings of cameras have none."""


def write_lerobot(
    folder: Path, examples: Iterable[Example], images: ImageSettings, rate: float
) -> None:
    """Write a data set to ``PART/``, with ``observation.images.KIND`` as images.

    In a LeRobot data set frames are evenly spaced: the time of a frame is its number divided by the
    rate. There is no place for boxes.

    Args:
        folder: Folder to write to, empty.
        examples: The frames, recording by recording.
        images: Which images are written; always as PNG.
        rate: Frames per second, a whole number from 1.

    Raises:
        InputError: If the images of a part have several sizes, or the rate is not such a number.
        ModuleNotFoundError: If the package lerobot is not installed.
    """
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    _hide_progress()
    if rate != round(rate) or rate < 1:
        raise InputError(f"--rate is {rate:g}; LeRobot takes whole frames per second from 1 on")
    parts: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    episodes: dict[str, str] = {}
    for part, frame, _ in examples:
        shape = frame.fused.shape
        if part not in parts:
            features = {
                f"observation.images.{kind}": {
                    "dtype": "image",
                    "shape": shape,
                    "names": ["height", "width", "channels"],
                }
                for kind in images.kinds
            }
            parts[part] = LeRobotDataset.create(
                f"lut-fuse/{part}", round(rate), features, folder / part, use_videos=False
            )
            shapes[part] = shape
        if shape != shapes[part]:
            raise InputError(
                f"{frame.recording} has images of {shape[1]}x{shape[0]}, recordings before it of "
                f"{shapes[part][1]}x{shapes[part][0]}; a LeRobot data set has one size"
            )
        if episodes.setdefault(part, frame.recording) != frame.recording:
            parts[part].save_episode()
            episodes[part] = frame.recording
        content = {
            f"observation.images.{kind}": in_three_channels(frame.image(kind))
            for kind in images.kinds
        }
        parts[part].add_frame(content, TASK)
    for dataset in parts.values():
        dataset.save_episode()


def _hide_progress() -> None:
    """Hide the progress bars that LeRobot's storage shows for each episode."""
    from datasets import disable_progress_bars

    disable_progress_bars()
