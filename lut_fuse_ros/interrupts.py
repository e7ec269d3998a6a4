"""Interrupts while a process starts: it ends with a status, not with a traceback of imports.

The executables that colcon installs (`setup.py`) start Python with these signals blocked, since
Python itself answers an interrupt during its own start with a traceback. They wait until
`leave_at_once` lets them through.
"""

from __future__ import annotations

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)

INTERRUPTED = 130
"""Exit status of a process that was interrupted before there was anything to end."""


def leave_at_once() -> None:
    """Let an interrupt end the process with `INTERRUPTED`, also one that has been waiting."""
    for number in SIGNALS:
        signal.signal(number, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def raise_interrupts() -> None:
    """Answer signals as Python does by itself: SIGINT raises KeyboardInterrupt, SIGTERM ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def ignore_interrupts() -> None:
    """Ignore interrupts from now on.

    While a process ends, Python gives up its handlers: a second interrupt (Ctrl-C reaches the node,
    and launch hands it on) would kill the process with another status.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)
