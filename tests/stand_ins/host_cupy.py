"""A stand-in for CuPy that executes the CUDA kernels on the host, block by block.

It is stricter than CuPy: arguments must have exactly the kernel's types, nothing put on a stream
happens before the stream, or an event on it, is waited for, memory that was given back is
overwritten, and what a capture does not allow is an error.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

COMPILER = shutil.which("g++") or shutil.which("c++")

_libraries: dict[str, ctypes.CDLL] = {}

_POINTED_TO = {
    "unsigned char": np.uint8,
    "unsigned short": np.uint16,
    "unsigned": np.uint32,
    "float": np.float32,
}
"""What an array must hold for a pointer of this type; anything for other types."""

POISON = 0xEE


class HostArray:
    """A device array: memory of the host that only kernels and copies may touch."""

    def __init__(self, shape: tuple[int, ...], kind: Any) -> None:
        self.values = np.empty(shape, kind)
        self._bytes = self.values.view(np.uint8)
        self._bytes.fill(POISON)
        self.dtype, self.shape = self.values.dtype, self.values.shape
        self.data = SimpleNamespace(ptr=self.values.ctypes.data)
        _never_freed.append(self.values)

    def __del__(self) -> None:
        self._bytes.fill(0xEE)  # not POISON: names may be gone at the end of the process

    def fill(self, value: float) -> None:
        """As CuPy's, but at once."""
        self.values.fill(value)


_never_freed: list[Any] = []


class HostEvent:
    """A point on a stream that another can wait for."""

    def __init__(self, disable_timing: bool = False) -> None:
        assert disable_timing, "events for order alone are cheaper"
        self.stream: HostStream | None = None
        self.passed = False

    def record(self, stream: HostStream) -> None:
        """As CuPy's."""
        self.stream, self.passed = stream, False
        stream.put(self._pass)
        if HostStream.capture is not None:
            HostStream.capture.events.append(self)

    def _pass(self) -> None:
        self.passed = True


class HostStream:
    """Work that is done when it must: when the stream, or an event on it, is waited for. Or it is
    recorded in a capture.
    """

    current: HostStream | None = None
    capture: HostCapture | None = None

    def __init__(self, non_blocking: bool = False) -> None:
        assert non_blocking, "another stream would wait for the legacy default stream"
        self.ptr = id(self)
        self.queue: list[Callable[[], None]] = []
        self._outer: list[HostStream | None] = []
        _streams[self.ptr] = self

    def __enter__(self) -> HostStream:
        self._outer.append(HostStream.current)
        HostStream.current = self
        return self

    def __exit__(self, *_: object) -> None:
        HostStream.current = self._outer.pop()

    def put(self, work: Callable[[], None]) -> None:
        """Execute later."""
        capture = HostStream.capture
        (capture.recorded.get(self, self.queue) if capture else self.queue).append(work)

    def wait_event(self, event: HostEvent) -> None:
        """As CuPy's. In a capture, it takes this stream into it."""
        capture, other = HostStream.capture, event.stream
        assert other is not None, "the event was not recorded"
        if capture is not None:
            assert other in capture.recorded, "a capture cannot wait for what is outside of it"
            capture.recorded.setdefault(self, [])
            capture.awaited.add(other)

        def catch_up() -> None:
            while not event.passed:
                other.queue.pop(0)()

        self.put(catch_up)

    def synchronize(self) -> None:
        """Do all that was put here."""
        forbid_in_capture("synchronize")
        while self.queue:
            self.queue.pop(0)()

    def begin_capture(self) -> None:
        """Record from now on."""
        assert not self.queue, "there is work before the capture"
        HostStream.capture = HostCapture(self)

    def end_capture(self) -> Any:
        """What was recorded, as a graph."""
        capture, HostStream.capture = HostStream.capture, None
        assert capture is not None
        assert capture.origin is self
        assert capture.awaited >= set(capture.recorded) - {self}, "a stream was not joined again"
        return SimpleNamespace(launch=capture.launch)


class HostCapture:
    """What the origin of a capture, and streams that wait for it, are given meanwhile."""

    def __init__(self, origin: HostStream) -> None:
        self.origin = origin
        self.recorded: dict[HostStream, list[Callable[[], None]]] = {origin: []}
        self.events: list[HostEvent] = []
        self.awaited: set[HostStream] = set()

    def launch(self, stream: HostStream) -> None:
        """As CuPy's graph does."""
        for event in self.events:
            event.passed = False
        for member, work in self.recorded.items():
            (stream if member is self.origin else member).queue.extend(work)


_streams: dict[int, HostStream] = {}


def stream_at(pointer: int) -> HostStream:
    """The stream with this `ptr`."""
    return _streams[pointer]


def forbid_in_capture(what: str) -> None:
    """Raise if a graph is being captured."""
    assert HostStream.capture is None, f"{what} is not allowed in a capture"


def host_cupy(folder: Path, *, integrated: bool = False) -> Any:
    """The stand-in for the module. folder: for compiled kernels."""

    def empty(shape: Any, kind: Any) -> HostArray:
        forbid_in_capture("an allocation")
        return HostArray(shape if isinstance(shape, tuple) else (shape,), kind)

    def asarray(values: np.ndarray) -> HostArray:
        array = empty(values.shape, values.dtype)
        array.values[...] = values
        return array

    def pinned(size: int) -> Any:
        forbid_in_capture("an allocation")
        return ctypes.create_string_buffer(bytes([POISON]) * size, size)

    def copy(target: int, source: int, size: int, kind: str, stream: int) -> None:
        _streams[stream].put(lambda: ctypes.memmove(target, source, size) and None)

    properties = {
        "name": b"host",
        "major": 8,
        "minor": 7,
        "multiProcessorCount": 3,
        "integrated": int(integrated),
    }
    runtime = SimpleNamespace(
        memcpyAsync=copy,
        memcpyHostToDevice="in",
        memcpyDeviceToHost="out",
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda _: properties,
    )
    cuda = SimpleNamespace(
        Stream=HostStream,
        Event=HostEvent,
        get_current_stream=lambda: SimpleNamespace(
            synchronize=lambda: forbid_in_capture("synchronize")
        ),
        alloc_pinned_memory=pinned,
        runtime=runtime,
    )
    kinds = {
        name: getattr(np, name) for name in ("uint8", "uint16", "uint32", "float16", "float32")
    }
    return SimpleNamespace(
        cuda=cuda, empty=empty, asarray=asarray, asnumpy=lambda array: array.values.copy(),
        RawModule=lambda code, options, backend: HostModule(code, folder), **kinds,
    )  # fmt: skip


class HostModule:
    """The kernels of one source, compiled by a C++ compiler once for all tests of a session."""

    def __init__(self, code: str, folder: Path) -> None:
        self._code = code
        self._library = _compiled(code, folder)

    def get_function(self, name: str) -> HostKernel:
        """As CuPy's."""
        return HostKernel(name, self._code, self._library)

    def halves(self, values: np.ndarray) -> tuple[Any, np.ndarray]:
        """Values rounded to half precision, and back."""
        halves, back = np.empty(values.shape, np.float16), np.empty_like(values)
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (values, halves, back))
        first, *others = pointers
        self._library.lut_fuse_halves(first, values.size, *others)
        return halves, back


class HostKernel:
    """A kernel. Every block is one call."""

    def __init__(self, name: str, code: str, library: ctypes.CDLL) -> None:
        self._function, self._library = getattr(library, name), library
        signature = re.search(rf"__launch_bounds__\((.+)\)\s+{name}\(([^)]*)\)", code)
        assert signature is not None, name
        self._parameters = [" ".join(part.split()) for part in signature[2].split(",")]

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: tuple[Any, ...],
    ) -> None:
        assert HostStream.current is not None, "the default stream is not captured"
        assert len(arguments) == len(self._parameters)
        assert all(type(side) is int and side > 0 for side in (*grid, *block)), (grid, block)
        converted = [_converted(*each) for each in zip(self._parameters, arguments, strict=True)]
        across, down = (*grid, 1)[:2]

        def run() -> None:
            for y in range(down):
                for x in range(across):
                    self._library.lut_fuse_block(x, y, across)
                    self._function(*converted)

        HostStream.current.put(run)


def _converted(parameter: str, argument: Any) -> Any:
    """An argument for ctypes, if CuPy would pass the same bits as the kernel expects."""
    kind = re.sub(r"const |\*| __restrict__|\w+$", "", parameter).strip()
    if kind == "Lattice":
        assert isinstance(argument, HostArray)
        return ctypes.c_void_p(argument.data.ptr)
    if "*" not in parameter:
        wanted = {"int": np.int32, "float": np.float32}[kind]
        assert type(argument) is wanted, f"'{parameter}' gets {type(argument)}"
        return {"int": ctypes.c_int, "float": ctypes.c_float}[kind](argument)
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, np.uint64):  # an address that host and device share
        return ctypes.c_void_p(int(argument))
    assert isinstance(argument, HostArray), f"'{parameter}' gets {type(argument)}"
    expected = _POINTED_TO.get(kind)
    assert expected is None or argument.dtype == expected, f"'{parameter}' gets {argument.dtype}"
    return ctypes.c_void_p(argument.data.ptr)


def _compiled(code: str, folder: Path) -> ctypes.CDLL:
    """The library of a source, compiled once: models that differ in numbers alone share it."""
    if code not in _libraries:
        assert COMPILER is not None
        extra = (Path(__file__).parent / "cuda_on_host.cpp").read_text(encoding="utf-8")
        file = folder / f"kernels_{hashlib.sha256(code.encode()).hexdigest()[:16]}.cpp"
        file.write_text(code + extra, encoding="utf-8")
        options = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        unused = ["-Wno-unused-variable", "-Wno-unused-parameter", "-Wno-unused-but-set-variable"]
        library = file.with_suffix(".so")
        subprocess.run([COMPILER, *options, *unused, "-o", str(library), str(file)], check=True)
        _libraries[code] = ctypes.CDLL(str(library))
    return _libraries[code]
