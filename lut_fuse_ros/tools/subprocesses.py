"""Nodes of this package as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from lut_fuse_core.errors import InputError

PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(AbstractContextManager["Process"]):
    """One of our nodes as a process of its own; interrupted and awaited at the end.

    Args:
        module: Of this package, with the node's ``main``.
        arguments: After ``--ros-args``.
    """

    def __init__(self, module: str, arguments: list[str]) -> None:
        self._module = module
        command = [sys.executable, "-m", f"lut_fuse_ros.{module}", "--ros-args", *arguments]
        # A session of its own: Ctrl-C reaches this process, which then ends the others.
        self._process = subprocess.Popen(command, start_new_session=True)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise InputError if the process ended by itself."""
        if self._process.poll() is not None:
            raise InputError(f"{self._module} ended by itself; see its message above")

    def memory(self) -> float:
        """Resident megabytes."""
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * PAGE / 1e6

    def cpu_seconds(self) -> float:
        """Processor time used so far, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
