"""Middleware with room for large images, without anything exported by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

CYCLONEDDS = "CYCLONEDDS_URI"
FASTDDS = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""What each takes its configuration from (Fast DDS up to version 2, and since 3); other middleware
does not look at it."""

WITH_FAST_DDS_2 = ("humble", "iron", "jazzy")
"""Distributions; later ones warn of the first variable."""

OTHER_FASTDDS = (
    "FASTDDS_BUILTIN_TRANSPORTS",
    "RMW_FASTRTPS_USE_QOS_FROM_XML",
    "ROS_DISCOVERY_SERVER",
)
"""Other ways in which users configure Fast DDS, which a profile of ours would contradict."""


def room_for_images(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What to add to the environment of a process that sends or receives images.

    Before its first node. Nothing for a middleware that the user configured, be it with an empty
    value for its own defaults.
    """
    added = {}
    # CycloneDDS refuses to start without a file that it was configured with.
    folder = _share() / "config"
    cyclonedds, fastdds = folder / "cyclonedds.xml", folder / "fastdds.xml"
    if CYCLONEDDS not in environment and cyclonedds.is_file():
        added[CYCLONEDDS] = f"file://{cyclonedds}"
    configured = any(name in environment for name in (*FASTDDS, *OTHER_FASTDDS))
    # Humble's restriction to this machine adds its transports to ours, which know no restriction.
    if not configured and environment.get("ROS_LOCALHOST_ONLY") != "1" and fastdds.is_file():
        added.update(dict.fromkeys(_variables(environment.get("ROS_DISTRO")), str(fastdds)))
    return added


def _variables(distribution: str | None) -> tuple[str, ...]:
    """Those of `FASTDDS` that a distribution reads; both where it is not known."""
    if distribution is None:
        return FASTDDS
    return FASTDDS[:1] if distribution in WITH_FAST_DDS_2 else FASTDDS[1:]


def _share() -> Path:
    """Where our configuration lies, installed or in the checkout."""
    try:
        return Path(get_package_share_directory("lut_fuse_ros"))
    except PackageNotFoundError:
        return Path(__file__).resolve().parents[2]
