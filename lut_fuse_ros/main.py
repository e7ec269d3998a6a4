"""The entry of the fusion node's process: interrupts end it well from its first millisecond on."""

from __future__ import annotations

import os
import signal
import sys

from lut_fuse_ros.commands import missing_package

SIGNALS = (signal.SIGINT, signal.SIGTERM)

INTERRUPTED = 130
"""Exit status of a process that was interrupted before there was anything to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is interrupted.

    Args:
        arguments: Of ROS; None for those of the process.

    Returns:
        The exit status: 2 for bad parameters, 1 where a package is missing.
    """
    # Before what takes seconds to import, and would end in a traceback. (What Python itself does
    # before it comes to this module is not ours to guard.)
    for number in SIGNALS:
        signal.signal(number, _leave)
    try:
        from lut_fuse_ros.process import run
    except ModuleNotFoundError as error:
        print(f"fusion_node: {missing_package(error)}", file=sys.stderr)
        return 1

    try:
        return run(arguments)
    finally:
        # While it ends, Python gives up its handlers: a second interrupt (Ctrl-C reaches the node,
        # and launch hands it on) would kill the process with another status.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
