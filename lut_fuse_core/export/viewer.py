"""Frames and diagnostics along time in Rerun, as a file or in its viewer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lut_fuse_core.arrays import in_three_channels
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.export.frames import Frame

JPEG_QUALITY = 90
"""Quality of the images in a recording, which the viewer has to load at its rate."""

ORDER = ("visible", "infrared", "fused")


def write_recording(path: Path, frames: Iterable[Frame], name: str) -> int:
    """Write an ``.rrd`` file, complete or not at all; needs no display.

    Args:
        path: The file; its folder is made where it is missing.
        frames: The frames.
        name: Name of the recording in the viewer.

    Returns:
        Number of frames.

    Raises:
        InputError: If there are none.
        OSError: If it cannot be written.
        ModuleNotFoundError: If Rerun is not installed.
    """
    import rerun

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        stream = rerun.RecordingStream("lut_fuse", recording_id=name)
        stream.save(temporary, default_blueprint=_layout())
        try:
            return _log(stream, frames)
        finally:
            stream.disconnect()


def show(frames: Iterable[Frame], name: str) -> int:
    """Show frames in the Rerun viewer as they are fused.

    Args:
        frames: The frames.
        name: Name of the recording in the viewer.

    Returns:
        Number of frames.

    Raises:
        InputError: If there are none, or there is no display.
        ModuleNotFoundError: If Rerun is not installed.
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
            color = in_three_channels(frame.image(kind))
            image = rerun.Image(color).compress(jpeg_quality=JPEG_QUALITY)
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
