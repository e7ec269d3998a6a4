"""What `ros2 run` starts beside the node, and how a package that is missing is told."""

from __future__ import annotations

import importlib
import sys

from lut_fuse_ros.interrupts import (
    INTERRUPTED,
    ignore_interrupts,
    leave_at_once,
    raise_interrupts,
)


def benchmark() -> int:
    """`ros2 run lut_fuse_ros benchmark`; returns the exit status."""
    return _run("benchmark")


def synthetic_cameras() -> int:
    """`ros2 run lut_fuse_ros synthetic_cameras`; returns the exit status."""
    return _run("synthetic_cameras")


def missing_package(error: ModuleNotFoundError) -> str:
    """What a user is told whose workspace was built before rosdep was run."""
    package = (error.name or str(error)).partition(".")[0]
    return (
        f"the Python package '{package}' is not installed; run "
        "'rosdep install --from-paths src --ignore-src -y' in your workspace"
    )


def _run(name: str) -> int:
    leave_at_once()  # before what takes seconds to import
    try:
        tool = importlib.import_module(f"lut_fuse_ros.tools.{name}")
    except ModuleNotFoundError as error:
        print(f"{name}: {missing_package(error)}", file=sys.stderr)
        return 1
    try:
        raise_interrupts()
        return int(tool.main() or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        ignore_interrupts()
