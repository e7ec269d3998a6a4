"""The entry of the fusion node's process: interrupts end it well from its first millisecond on."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
"""Exit status of a process that was interrupted before there was anything to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is interrupted.

    Args:
        arguments: Of ROS; None for those of the process.

    Returns:
        The exit status: 2 for bad parameters.
    """
    # Before what takes seconds to import, and would end in a traceback. (What Python itself does
    # before it comes to this module is not ours to guard.)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from lut_fuse_ros.process import run

    return run(arguments)


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
