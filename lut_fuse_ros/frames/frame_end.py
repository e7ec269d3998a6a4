"""The moments at which work that is no frame's disturbs none."""

from __future__ import annotations

import threading

LONGEST = 0.05
"""Seconds to wait for such a moment; a stream of 20 Hz or more has one by then."""


class FrameEnd:
    """Lets periodic work begin right after a frame, when the next one is furthest away.

    Diagnostics take some milliseconds once a second, for which they keep the interpreter from the
    frame that comes meanwhile: one of a hundred at 30 Hz.
    """

    def __init__(self) -> None:
        self._reached = threading.Event()

    def reached(self) -> None:
        """A frame is done."""
        self._reached.set()

    def wait(self) -> None:
        """Return when the next frame is done, or after `LONGEST`."""
        self._reached.clear()
        self._reached.wait(LONGEST)
