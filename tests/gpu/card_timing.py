"""Times on a card: our backends, the published method, and the floor under them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from card_models import SHARED, models, raw_frame, smooth_pair

from lut_fuse_core.backends import create_backend
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.cuda import CudaBackend
from lut_fuse_core.backends.gpu.device import GpuDevice
from lut_fuse_core.backends.gpu.frame import Work
from lut_fuse_core.backends.gpu.fuser import GpuFuser
from lut_fuse_core.backends.gpu.options import GpuOptions, Precision
from lut_fuse_core.backends.gpu.tensorrt import TensorRtBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel

SIZES = ((480, 640), (720, 1280), (1024, 1280))
WARM_UP, CALLS = 20, 300
PUBLISHED_CALLS = 30
CPU_SECONDS = 1.5
COPY_BYTES = 1 << 29

VARIANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "cuda fp16": (CudaBackend, {"options": GpuOptions("fp16")}),
    **{
        f"cuda fp16, tile {w}x{h}": (CudaBackend, {"options": GpuOptions("fp16"), "tile": (w, h)})
        for w, h in ((32, 16), (32, 8), (16, 16), (16, 8))
    },
    "cuda fp32": (CudaBackend, {"options": GpuOptions("fp32")}),
}
ENGINES: tuple[tuple[int, int, Precision], ...] = (
    *((*size, precision) for size in SIZES for precision in ("fp16", "fp32")),
    (*SIZES[0], "int8"),
)
"""Those of TensorRT: height, width, precision. In int8 they take minutes to build: that is last."""
ENGINE_SECONDS = {"fp16": 60, "fp32": 60, "int8": 180}
"""More than an engine takes to build."""


@dataclass(frozen=True)
class CardTime:
    """Median microseconds of one variant at one size; None where it was not measured.

    resident: input and output stay on the card. host: from and to pinned memory, copies included.
    """

    variant: str
    width: int
    height: int
    resident: float | None
    host: float | None


@dataclass(frozen=True)
class Floor:
    """What no program can go below, measured: see `measure_floor`.

    bandwidth: bytes per second of a copy on the card, read and written. launch: microseconds of an
    empty kernel in a graph. copies: microseconds per (width, height) from and to pinned memory.
    """

    bandwidth: float
    launch: float
    copies: dict[str, float]

    def of(self, width: int, height: int, context_bytes: int) -> float:
        """Microseconds to touch every byte of a frame once, in two launches."""
        moved = width * height * (3 + 1 + 3 + 1 + 3) + 2 * context_bytes
        return moved / self.bandwidth * 1e6 + 2 * self.launch


def measure(
    device: GpuDevice, model: FusionModel, end: float, skipped: dict[str, str]
) -> Iterator[CardTime]:
    """Every backend but `tensorrt` at every size; what cannot run, or finds no time before the end
    (as `time.perf_counter` tells it), is added to ``skipped`` with the reason.
    """
    for variant, (kind, options) in VARIANTS.items():
        if time.perf_counter() > end:
            skipped[variant] = "no time was left"
            continue
        try:
            backend = kind(model, **options)
            for height, width in SIZES:
                yield _gpu_time(device, backend.fuser, variant, height, width)
                yield _raw_time(device, backend.fuser, variant, height, width)
        except BackendUnavailableError as error:
            skipped[variant] = str(error)
    yield from _measure_transfers(device, model, end, skipped)
    for name in ("native", "cpu"):
        if time.perf_counter() > end:
            skipped[name] = "no time was left"
            continue
        try:
            backend = create_backend(name, model)
        except BackendUnavailableError as error:
            skipped[name] = str(error)
            continue
        for height, width in SIZES:
            visible, infrared = smooth_pair(height, width)
            fuse = partial(backend.fuse, visible, infrared)
            host = _host_median(fuse, seconds=CPU_SECONDS)
            yield CardTime(name, width, height, None, host)


def _measure_transfers(
    device: GpuDevice, model: FusionModel, end: float, skipped: dict[str, str]
) -> Iterator[CardTime]:
    """Frames in pinned memory that the kernels read and write themselves, and that are copied."""
    try:
        if time.perf_counter() > end:
            raise BackendUnavailableError("no time was left")
        fuser = CudaBackend(model, options=GpuOptions("fp16")).fuser
    except BackendUnavailableError as error:
        skipped["cuda fp16, frames read in place or copied"] = str(error)
        return
    for way, in_place in (("read in place", True), ("copied", False)):
        fuser.transfer(in_place=in_place)
        for height, width in SIZES:
            timed = _gpu_time(device, fuser, f"cuda fp16, frames {way}", height, width)
            yield replace(timed, resident=None)


def measure_tensorrt(device: GpuDevice, facts: dict[str, Any], end: float) -> None:
    """Add `tensorrt` with all `ENGINES` to the facts.

    end: as `time.perf_counter` tells it; no engine is begun that might not be ready by then.
    """
    model = models()["default"]
    if "times" not in facts:
        _measure_others(device, model, facts)
    times, skipped = facts["times"], facts["skipped"]
    for height, width, precision in ENGINES:
        variant, options = f"tensorrt {precision}", GpuOptions(precision)
        try:
            if time.perf_counter() + ENGINE_SECONDS[precision] > end:
                raise BackendUnavailableError("no time was left")
            backend = TensorRtBackend(model, options=options, size=(height, width))
        except BackendUnavailableError as error:
            skipped[f"{variant}, {width}x{height}"] = str(error)
            continue
        for timed in (_gpu_time, _raw_time):
            times.append(asdict(timed(device, backend.fuser, variant, height, width)))


def _gpu_time(
    device: GpuDevice, fuser: GpuFuser, variant: str, height: int, width: int
) -> CardTime:
    visible, infrared = smooth_pair(height, width)
    fuser.fuse(visible, infrared)
    frame = fuser.frame(height, width)
    graph = fuser.graph(frame, Work(copies=False))
    resident = _event_median(device, fuser.stream, lambda: graph.launch(stream=fuser.stream))
    arrays = frame.host["visible"], frame.host["infrared"], frame.host["out"]
    host = _host_median(lambda: fuser.fuse(arrays[0], arrays[1], FuseOptions(out=arrays[2])))
    return CardTime(variant, width, height, resident, host)


def _raw_time(
    device: GpuDevice, fuser: GpuFuser, variant: str, height: int, width: int
) -> CardTime:
    """The same from raw 16-bit infrared of 640x512 that is normalized and registered."""
    held = raw_frame(height, width, np.uint16)
    fuser.hold(*held)
    frame = fuser.frame(height, width)
    np.copyto(frame.host["visible"], smooth_pair(height, width)[0])
    visible, out = frame.host["visible"], frame.host["out"]
    fuser.fuse_held(visible, FuseOptions(out=out))
    graph = fuser.graph(frame, Work("raw", held[2].mask is not None, copies=False))
    resident = _event_median(device, fuser.stream, lambda: graph.launch(stream=fuser.stream))

    def from_the_host() -> None:
        fuser.hold(*held)
        fuser.fuse_held(visible, FuseOptions(out=out))

    host = _host_median(from_the_host)
    return CardTime(f"{variant}, raw infrared", width, height, resident, host)


def measure_published(skipped: dict[str, str]) -> Iterator[CardTime]:
    """The published method in PyTorch on the same card, tensors resident."""
    try:
        import torch
    except ImportError as error:
        skipped["published"] = f"PyTorch is missing ({error})"
        return
    if not torch.cuda.is_available():
        skipped["published"] = "this PyTorch sees no GPU"
        return
    from lut_fuse_training.networks.published import PublishedMethod

    folder = SHARED / "reference" / "official_lut_fuse"
    files = folder / "fine_tuned_lut.npy", folder / "generator_context.pth"
    found = all(file.is_file() for file in files)
    method = (
        PublishedMethod.from_files(*files) if found else PublishedMethod.with_random_weights()
    ).cuda()
    for height, width in SIZES:
        visible, infrared = smooth_pair(height, width)
        tensors = (
            torch.from_numpy(visible).permute(2, 0, 1)[None].float().cuda(),
            torch.from_numpy(infrared)[None, None].float().cuda(),
        )
        times = []
        for call in range(WARM_UP + PUBLISHED_CALLS):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            method(*tensors)
            end.record()
            end.synchronize()
            if call >= WARM_UP:
                times.append(start.elapsed_time(end) * 1e3)
        weights = "" if found else ", random weights"
        yield CardTime(f"published{weights}", width, height, statistics.median(times), None)


def measure_floor(device: GpuDevice) -> Floor:
    """Bandwidth of a large copy on the card, launch of an empty kernel, bare copies of a frame."""
    cupy = device.cupy
    stream = cupy.cuda.Stream(non_blocking=True)
    source, target = (cupy.empty(COPY_BYTES, cupy.uint8) for _ in range(2))
    cupy.cuda.Device().synchronize()
    runtime = cupy.cuda.runtime

    def copy() -> None:
        runtime.memcpyAsync(
            *(target.data.ptr, source.data.ptr, COPY_BYTES),
            *(runtime.memcpyDeviceToDevice, stream.ptr),
        )

    microseconds = _event_median(device, stream, copy, calls=20)
    empty = cupy.RawKernel('extern "C" __global__ void empty() {}', "empty")
    launches = 100
    with stream:
        empty((1,), (32,), ())
        stream.synchronize()
        stream.begin_capture()
        for _ in range(launches):
            empty((1,), (32,), ())
        graph = stream.end_capture()
    launch = _event_median(device, stream, lambda: graph.launch(stream=stream)) / launches
    copies = {f"{w}x{h}": _bare_copies(device, stream, h, w) for h, w in SIZES}
    return Floor(2 * COPY_BYTES / microseconds * 1e6, launch, copies)


def _bare_copies(device: GpuDevice, stream: Any, height: int, width: int) -> float:
    """Visible and infrared to the card, fused back, from and to pinned memory, and the wait."""
    runtime = device.cupy.cuda.runtime
    transfers = []
    for count, kind in ((3, "memcpyHostToDevice"), (1, "memcpyHostToDevice"),
                        (3, "memcpyDeviceToHost")):  # fmt: skip
        size = count * height * width
        pinned = device.cupy.cuda.alloc_pinned_memory(size)
        transfers.append((pinned, device.cupy.empty(size, device.cupy.uint8), size, kind))

    def copies() -> None:
        for pinned, array, size, kind in transfers:
            ends = (array.data.ptr, pinned.ptr)
            target, source = ends if kind == "memcpyHostToDevice" else ends[::-1]
            runtime.memcpyAsync(target, source, size, getattr(runtime, kind), stream.ptr)
        stream.synchronize()

    return _host_median(copies)


def _event_median(
    device: GpuDevice, stream: Any, work: Callable[[], object], calls: int = CALLS
) -> float:
    """Microseconds of work put on a stream, between two events, the median of single calls."""
    event = device.cupy.cuda.Event
    times = []
    for call in range(WARM_UP + calls):
        start, end = event(), event()
        start.record(stream)
        work()
        end.record(stream)
        end.synchronize()
        if call >= WARM_UP:
            times.append(device.cupy.cuda.get_elapsed_time(start, end) * 1e3)
    return statistics.median(times)


def _host_median(work: Callable[[], object], seconds: float = 0.5) -> float:
    """Microseconds of a call that waits for its result."""
    work()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e6)
    return float(np.median(times))


def measure_all(device: GpuDevice, facts: dict[str, Any], end: float) -> None:
    """Put ``floor``, ``skipped`` and ``times`` into the facts, JSON-serializable, one by one.

    end: as `time.perf_counter` tells it; nothing is begun after it.
    """
    model = models()["default"]
    _measure_others(device, model, facts)
    facts["times"] += (asdict(entry) for entry in measure(device, model, end, facts["skipped"]))


def _measure_others(device: GpuDevice, model: FusionModel, facts: dict[str, Any]) -> None:
    """What ours is held against: the floor and the published method."""
    floor, stride = measure_floor(device), model.encoder.stride
    device.cupy.get_default_memory_pool().free_all_blocks()  # a small Jetson needs it for the rest
    floors = {f"{w}x{h}": floor.of(w, h, 4 * -(-h // stride) * -(-w // stride)) for h, w in SIZES}
    facts["floor"] = {**asdict(floor), "frame": floors}
    facts["skipped"], facts["times"] = {}, []
    facts["times"] += (asdict(entry) for entry in measure_published(facts["skipped"]))
