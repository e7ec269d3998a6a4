"""CycloneDDS with room for large images, without anything exported by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

VARIABLE = "CYCLONEDDS_URI"
"""What CycloneDDS takes its configuration from; other middleware does not look at it."""


def room_for_images(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What to add to the environment of a process that receives images, before its first node.

    Nothing if the user configured CycloneDDS, be it with an empty value for its own defaults.
    """
    file = _share() / "config" / "cyclonedds.xml"
    # CycloneDDS refuses to start without a file that it was configured with.
    return {} if VARIABLE in environment or not file.is_file() else {VARIABLE: f"file://{file}"}


def _share() -> Path:
    """Where our configuration lies, installed or in the checkout."""
    try:
        return Path(get_package_share_directory("lut_fuse_ros"))
    except PackageNotFoundError:
        return Path(__file__).resolve().parents[2]
