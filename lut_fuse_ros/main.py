"""The entry of the fusion node's process: interrupts end it well from its first millisecond on."""

from __future__ import annotations

import sys

from lut_fuse_ros.commands import missing_package
from lut_fuse_ros.interrupts import ignore_interrupts, leave_at_once


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is interrupted.

    Args:
        arguments: Of ROS; None for those of the process.

    Returns:
        The exit status: 0 after an ordinary end, 2 for bad parameters, 1 for a failure or where a
        package is missing.
    """
    leave_at_once()  # before what takes seconds to import
    try:
        from lut_fuse_ros.process import run
    except ModuleNotFoundError as error:
        print(f"fusion_node: {missing_package(error)}", file=sys.stderr)
        return 1

    try:
        return run(arguments)
    finally:
        ignore_interrupts()


if __name__ == "__main__":
    sys.exit(main())
