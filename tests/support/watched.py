"""Runs a program and says which sockets it opened and which files it wrote."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TEMPORARY = "tmp" + "-of-a-system-with-long-paths" * 3
"""Name of the folder for temporary files, beside the home: no socket can be in it."""

HOOK = """
import os, sys

log = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def note(event, args):
    if event == "socket.__new__" and args[1] != 1:  # 1 is AF_UNIX, which stays on the machine
        os.write(log, f"socket {args[1]}\\n".encode())
    elif event == "socket.connect" and args[0].family == 1:
        pass
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(log, f"socket {event} {args[-1]}\\n".encode())
    elif event == "open" and isinstance(args[0], (str, bytes, os.PathLike)):
        name, mode, flags = os.fsdecode(args[0]), args[1] or "", args[2]
        if set(mode) & set("wax+") or (not mode and flags & WRITING):
            os.write(log, f"file {os.path.abspath(name)}\\n".encode())
    elif event in ("os.mkdir", "os.rename", "os.symlink", "os.link"):
        name = args[0] if event == "os.mkdir" else args[1]
        os.write(log, f"file {os.path.abspath(os.fsdecode(name))}\\n".encode())

sys.addaudithook(note)
"""
"""As sitecustomize of every Python that the program starts."""

INTERNET = re.compile(r"socket\((AF_(?!UNIX|NETLINK)\w+)")
WRITTEN = re.compile(
    r'(?:open|openat|creat)\((?:AT_FDCWD, )?"([^"]+)", (?:[^)]*(?:O_WRONLY|O_RDWR|O_CREAT)|0)'
    r'|(?:mkdir|mkdirat)\((?:AT_FDCWD, )?"([^"]+)"'
    r'|rename\w*\(.*"([^"]+)"(?:, \w+)?\) = 0'
)
"""What strace shows of a socket that may leave the machine, and of a file that is written."""

ADDRESS = re.compile(r'(?:inet_addr\(|AF_INET6, )"([0-9a-f.:]+)"')
CALLS = (
    "trace=socket,connect,sendto,sendmsg,sendmmsg,"
    "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2"
)


@dataclass(frozen=True)
class Traces:
    """What a program left.

    Attributes:
        sockets: Those that could reach another machine, as they were noted.
        files: Whole names of what was written or made, devices aside.
        called: Addresses that something was sent to, as strace saw it.
        output: What the program printed.
    """

    sockets: list[str]
    files: set[Path]
    called: set[ipaddress.IPv4Address | ipaddress.IPv6Address]
    output: str

    def outside(self, *folders: Path) -> set[Path]:
        """The files that are in none of these folders."""
        return {file for file in self.files if not any(file.is_relative_to(f) for f in folders)}


class Watched:
    """A program that is watched while it runs.

    Attributes:
        process: The program, or strace around it; in a process group of its own.
    """

    def __init__(
        self,
        program: list[str],
        folder: Path,
        environment: dict[str, str],
        *,
        hook: bool = True,
        kernel: bool = False,
    ) -> None:
        """Start it.

        Args:
            program: With its arguments; it must succeed.
            folder: In which it runs. What is needed to watch it lies there, too.
            environment: Of the program.
            hook: Watched by Python's audit hook.
            kernel: Watched by strace, which also sees what libraries do.
        """
        self._folder = folder
        self._logs = folder / "hook.log", folder / "strace.log"
        for log in self._logs:
            log.touch()
        if hook:
            (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
            path = os.pathsep.join([str(folder), environment.get("PYTHONPATH", "")])
            environment = {**environment, "PYTHONPATH": path, "WATCHED": str(self._logs[0])}
        if kernel:
            quick = ["--seccomp-bpf"]  # only these calls stop the program
            options = ["-f", *quick, "-qq", "-s", "400", "-e", CALLS, "-o", str(self._logs[1])]
            program = ["strace", *options, *program]
        self.process = subprocess.Popen(
            program,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self, statuses: tuple[int, ...] = (0,)) -> Traces:
        """Wait until it ends by itself, with one of these statuses: what it did."""
        output, errors = self.process.communicate()
        assert self.process.returncode in statuses, output + errors
        seen, traced = (log.read_text("utf-8", errors="replace").splitlines() for log in self._logs)
        sockets, files = _of_hook(seen)
        more_sockets, more_files = _of_strace(traced, self._folder)
        files = {file for file in files | more_files if not file.is_relative_to("/dev")}
        called = {ipaddress.ip_address(name) for line in traced for name in ADDRESS.findall(line)}
        return Traces([*sockets, *more_sockets], files - {*self._logs}, called, output)


def watch(
    program: list[str],
    folder: Path,
    environment: dict[str, str],
    *,
    hook: bool = True,
    kernel: bool = False,
) -> Traces:
    """Run a program to its end; the arguments are those of `Watched`."""
    return Watched(program, folder, environment, hook=hook, kernel=kernel).end()


def environment(home: Path) -> dict[str, str]:
    """What a program gets to know of the user: a home, a folder for temporary files, a path."""
    temporary = home.parent / TEMPORARY
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }


def _of_hook(lines: list[str]) -> tuple[list[str], set[Path]]:
    sockets = [line.removeprefix("socket ") for line in lines if line.startswith("socket ")]
    return sockets, {Path(line.removeprefix("file ")) for line in lines if line.startswith("file ")}


def _of_strace(lines: list[str], folder: Path) -> tuple[list[str], set[Path]]:
    sockets = [line for line in lines if INTERNET.search(line)]
    files = set()
    for line in lines:
        if (found := WRITTEN.search(line)) and "= -1 " not in line:
            files.add(Path(os.path.normpath(folder / next(filter(None, found.groups())))))
    return sockets, files


PYTHON = sys.executable
