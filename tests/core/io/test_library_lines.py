"""Lines that C libraries write to stderr: caught, told from others, from many threads."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lut_fuse_core.io.library_lines import library_lines, overheard

PATIENCE = 30.0


def test_lines_of_libraries_are_caught_and_others_pass(capfd: pytest.CaptureFixture[str]) -> None:
    with library_lines() as lines:
        os.write(2, b"Corrupt JPEG data: bad Huffman code\nsomebody else\n")
    assert lines == ["Corrupt JPEG data: bad Huffman code"]
    assert capfd.readouterr().err == "somebody else\n"


def test_several_threads_listen_at_a_time(capfd: pytest.CaptureFixture[str]) -> None:
    together = threading.Barrier(3)

    def listen(text: bytes) -> bool:
        with overheard() as suspicion:
            together.wait(PATIENCE)
            os.write(2, text)
            together.wait(PATIENCE)
        return suspicion.raised

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(listen, [b"", b"libpng error: x\n", b"else\n"])) == [True] * 3
    assert capfd.readouterr().err == "else\n"
    with overheard() as later:
        pass
    assert not later.raised


def test_who_listens_alone_waits_for_the_others_and_hears_only_its_own() -> None:
    inside, leave = threading.Event(), threading.Event()

    def others() -> None:
        with overheard():
            inside.set()
            leave.wait(PATIENCE)
            os.write(2, b"JPEG of another thread\n")

    def alone() -> list[str]:
        with library_lines() as lines:
            os.write(2, b"JPEG of this one\n")
        return lines

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(others)
        assert inside.wait(PATIENCE)
        second = pool.submit(alone)
        assert not second.done()
        leave.set()
        assert second.result(PATIENCE) == ["JPEG of this one"]
        first.result(PATIENCE)


def test_who_listens_alone_and_listens_again_is_told_instead_of_waiting_for_itself() -> None:
    with library_lines(), pytest.raises(RuntimeError, match="wait for itself"), overheard():
        pass
    with overheard() as later:
        pass
    assert not later.raised
