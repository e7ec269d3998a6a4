"""Periodic work begins when a frame has been done, and does not depend on there being one."""

from __future__ import annotations

import threading

import pytest
from rig import TIMEOUT

from lut_fuse_ros.frames import frame_end
from lut_fuse_ros.frames.frame_end import FrameEnd


def test_it_waits_for_the_end_of_the_next_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_end, "LONGEST", TIMEOUT)
    end = FrameEnd()
    end.reached()  # of one before
    waiting = threading.Event()
    monkeypatch.setattr(end._reached, "clear", _and_tell(end._reached.clear, waiting))
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert waiting.wait(TIMEOUT)
    assert thread.is_alive()
    end.reached()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def test_without_frames_it_goes_on_all_the_same() -> None:
    FrameEnd().wait()


def _and_tell(clear, told: threading.Event):
    def clear_and_tell() -> None:
        clear()
        told.set()

    return clear_and_tell
