"""Which GPU backend `auto` takes: the one that fuses a frame sooner here, measured once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.backends.base import Backend
from lut_fuse_core.backends.gpu.device import GpuDevice, open_device
from lut_fuse_core.backends.gpu.fuser import DEFAULT_SIZE
from lut_fuse_core.backends.gpu.options import GpuOptions, of_kernels
from lut_fuse_core.backends.gpu.source import cuda_source, plan_kernels
from lut_fuse_core.backends.gpu.tensorrt_engine import (
    cache_folder,
    exported,
    open_tensorrt,
    place_of,
)
from lut_fuse_core.backends.gpu.transfers import seconds_per_frame
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel

NAMES = ("cuda", "tensorrt")

Create = Callable[[str], Backend]

_log = logging.getLogger(__name__)


def faster_backend(
    model: FusionModel,
    options: GpuOptions,
    create: Create,
    measure: Callable[[Any], float] | None = None,
) -> Backend:
    """The GPU backend that takes less time for a frame; a file beside the engines keeps which one.

    The choice is logged, and it is a warning that one of the two is installed but cannot be used.

    Args:
        model: What to fuse with.
        options: Wishes for the GPU backends.
        create: Makes a backend by name or raises BackendUnavailableError.
        measure: Seconds per frame of a backend, a `GpuBackend`; None for `seconds_per_frame` of its
            fuser.

    Returns:
        The backend, made by ``create``.

    Raises:
        BackendUnavailableError: With the reasons if neither can be used.
    """
    device = open_device()
    try:
        tensorrt = open_tensorrt()
    except BackendUnavailableError as error:
        _log.info("'cuda' is taken without a comparison: 'tensorrt' cannot run: %s", error)
        return create("cuda")
    try:
        path = _record_path(device, model, tensorrt.__version__, options)
    except BackendUnavailableError as error:
        _log.warning("'cuda' is taken without a comparison: 'tensorrt' cannot run: %s", error)
        return create("cuda")
    taken = _recorded(path)
    if taken is not None:
        _log.info("'%s' is taken, as measured before (%s)", taken, path)
        backends = _created((taken, *(name for name in NAMES if name != taken)), create, only=1)
    else:
        backends = _created(NAMES, create, only=2)
    if len(backends) == 1:
        return backends[0]
    found, reasons = {}, []
    for backend in backends:
        try:
            found[backend.name] = (measure or _seconds)(backend)
        except Exception as error:  # out of memory, a launch that fails: CuPy's, TensorRT's own
            reasons.append(f"{backend.name}: {error}")
    if reasons:
        return _working([each for each in backends if each.name in found], reasons)
    fastest = min(backends, key=lambda backend: found[backend.name])
    shown = ", ".join(f"'{name}' takes {seconds * 1e3:.3f} ms" for name, seconds in found.items())
    _log.warning("measured once, and kept in %s: %s; '%s' is taken", path, shown, fastest.name)
    _record(path, {"taken": fastest.name, "seconds": found, "size": DEFAULT_SIZE})
    return fastest


def _seconds(backend: Any) -> float:
    return seconds_per_frame(backend.fuser)


def _created(names: tuple[str, ...], create: Create, only: int) -> list[Backend]:
    """The first ``only`` backends that can be made; warns of each that cannot."""
    backends: list[Backend] = []
    reasons: list[str] = []
    for name in names:
        if len(backends) == only:
            break
        try:
            backends.append(create(name))
        except BackendUnavailableError as error:
            reasons.append(f"{name}: {error}")
    return [_working(backends, reasons)] if reasons else backends


def _working(backends: list[Backend], reasons: list[str]) -> Backend:
    """The first that still fuses after another has failed, perhaps with all of the GPU.

    Args:
        reasons: Of what failed so far.

    Raises:
        BackendUnavailableError: With all of them if none does.
    """
    from lut_fuse_core.backends.gpu.self_check import check_pair_of_images  # and with it, Numba

    visible, infrared, _ = check_pair_of_images()
    for backend in backends:
        try:
            backend.fuse(visible, infrared)
        except Exception as error:
            reasons.append(f"{backend.name}: {error}")
            continue
        for reason in reasons:
            _log.warning("'%s' is taken, since the other cannot be used: %s", backend.name, reason)
        return backend
    raise BackendUnavailableError("; ".join(reasons))


def _record_path(device: GpuDevice, model: FusionModel, tensorrt: str, options: GpuOptions) -> Path:
    """Where the choice is kept: under a name that holds all that the times depend on.

    Raises:
        BackendUnavailableError: If TensorRT cannot serve the model in the precision asked for.
    """
    precision = options.wanted or "fp16"
    plan = plan_kernels(model, of_kernels(precision), processors=device.processors)
    kernels = cuda_source(model, plan)
    _, encoder = exported(model.encoder, precision)
    digest = hashlib.sha256((kernels + encoder).encode()).hexdigest()
    return (options.folder or cache_folder()) / (
        f"choice-{place_of(device.name, device.capability, device.processors, tensorrt)}"
        f"-{options.precision}-{digest[:16]}.json"
    )


def _recorded(path: Path) -> str | None:
    try:
        taken = json.loads(path.read_text(encoding="utf-8"))["taken"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return taken if taken in NAMES else None


def _record(path: Path, facts: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        _log.warning("the choice cannot be kept in %s (%s)", path.parent, error)
