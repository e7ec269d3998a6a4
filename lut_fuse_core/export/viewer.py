"""Frames and diagnostics along time in Rerun, as a file or in its viewer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.export.frames import Frame

JPEG_QUALITY = 90
ORDER = ("visible", "infrared", "fused")


def write_recording(path: Path, frames: Iterable[Frame], name: str) -> int:
    """Write an ``.rrd`` file, complete or not at all; needs no display.

    Args:
        path: The file.
        frames: What it holds.
        name: Of the recording, for its viewers.

    Returns:
        How many frames there were.

    Raises:
        InputError: There were none.
        ModuleNotFoundError: Rerun is not installed.
    """
    import rerun

    with atomic_write(path) as temporary:
        stream = rerun.RecordingStream("lut_fuse", recording_id=name)
        stream.save(temporary, default_blueprint=_layout())
        count = _log(stream, frames)
        stream.disconnect()
    return count


def show(frames: Iterable[Frame], name: str) -> int:
    """Show frames in the Rerun viewer as they are fused.

    Args:
        frames: What to show.
        name: Of the recording.

    Returns:
        How many frames there were.

    Raises:
        InputError: There were none, or there is no display.
        ModuleNotFoundError: Rerun is not installed.
    """
    import rerun

    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise InputError("there is no display; write a file with -o FILE.rrd and view it elsewhere")
    stream = rerun.RecordingStream("lut_fuse", recording_id=name)
    stream.spawn(default_blueprint=_layout())
    return _log(stream, frames)


def _layout() -> Any:
    """The three images side by side, the diagnostics below."""
    from rerun import blueprint

    images = (blueprint.Spatial2DView(origin=name, name=name) for name in ORDER)
    plots = (
        blueprint.TimeSeriesView(origin=f"diagnostics/{name}", name=name)
        for name in ("gray_level", "infrared_age_ms", "counts")
    )
    return blueprint.Blueprint(
        blueprint.Vertical(
            blueprint.Horizontal(*images), blueprint.Horizontal(*plots), row_shares=[2, 1]
        ),
        collapse_panels=True,
    )


def _log(stream: Any, frames: Iterable[Frame]) -> int:
    import rerun

    count = 0
    for frame in frames:
        stream.set_time("frame", sequence=count)
        if frame.time is not None:
            stream.set_time("time", timestamp=frame.time)
        count += 1
        for kind in ORDER:
            # One channel would be taken for a depth image, or stretched to its own range.
            image = rerun.Image(_color(frame.image(kind))).compress(jpeg_quality=JPEG_QUALITY)
            stream.log(kind, image)
        for name, value in _diagnostics(frame).items():
            stream.log(f"diagnostics/{name}", rerun.Scalars(value))
    if not count:
        raise InputError("there is no pair to show")
    return count


def _diagnostics(frame: Frame) -> dict[str, float]:
    status = frame.status
    found = {f"gray_level/{kind}": float(frame.image(kind).mean()) for kind in ORDER}
    if status.infrared_age is not None:
        found["infrared_age_ms"] = round(1000 * status.infrared_age, 2)  # of stamps since 1970
    found["counts/dead_pixels"] = float(status.dead_pixels)
    found["counts/resets"] = float(status.resets)
    found["counts/infrared_stopped"] = float(status.stopped)
    found["counts/covered_percent"] = 100 * status.covered
    return found


def _color(image: UInt8Array) -> UInt8Array:
    return image if image.ndim == 3 else np.dstack([image] * 3)
