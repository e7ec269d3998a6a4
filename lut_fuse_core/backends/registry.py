"""Which backends exist, which of them run here, and the choice of the fastest."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass

from lut_fuse_core.backends.base import MOST_THREADS, Backend
from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions
from lut_fuse_core.errors import BackendUnavailableError, InputError
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.native.bindings import built_libraries

_CLASSES = {
    "cuda": "lut_fuse_core.backends.gpu.cuda:CudaBackend",
    "tensorrt": "lut_fuse_core.backends.gpu.tensorrt:TensorRtBackend",
    "native": "lut_fuse_core.backends.native:NativeBackend",
    "cpu": "lut_fuse_core.backends.cpu:CpuBackend",
    "reference": "lut_fuse_core.backends.reference:ReferenceBackend",
}
"""Fastest first; which of the first two is faster ``auto`` measures."""

_GPU = ("cuda", "tensorrt")

BACKEND_NAMES = ("auto", *_CLASSES)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendStatus:
    """Whether a backend runs here with a model.

    Attributes:
        name: Of the backend.
        available: Whether it runs.
        reason: Why not, one sentence; empty if it does.
    """

    name: str
    available: bool
    reason: str = ""


def create_backend(
    name: str,
    model: FusionModel,
    threads: int | None = None,
    gpu: GpuOptions = DEFAULT_OPTIONS,
) -> Backend:
    """Create a backend by name; ``auto`` takes the fastest that works here with this model.

    Args:
        name: Of the backend, or ``auto``.
        model: What to fuse with.
        threads: CPU threads to use, None for all cores this process may run on.
        gpu: Wishes for the GPU backends.

    Returns:
        The backend, for one thread at a time.

    Raises:
        InputError: For an unknown name, or a number of threads outside 1 to `MOST_THREADS`.
        BackendUnavailableError: If it cannot run here.
    """
    if name not in BACKEND_NAMES:
        raise InputError(f"no backend '{name}'; choose one of {', '.join(BACKEND_NAMES)}")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads is {threads}; it must be between 1 and {MOST_THREADS}")
    if name != "auto":
        return _create(name, model, threads, gpu)
    return _automatic(model, threads, gpu)


def backend_statuses(model: FusionModel) -> list[BackendStatus]:
    """Try every backend with a model, on one thread.

    Args:
        model: What to fuse with.

    Returns:
        The status of each, in the order in which ``auto`` prefers them.
    """
    statuses = []
    for name in _CLASSES:
        try:
            _create(name, model, 1, DEFAULT_OPTIONS)
        except BackendUnavailableError as error:
            statuses.append(BackendStatus(name, False, str(error)))
        else:
            statuses.append(BackendStatus(name, True))
    return statuses


def _automatic(model: FusionModel, threads: int | None, gpu: GpuOptions) -> Backend:
    """The fastest backend that works; leaving a GPU unused is worth a warning."""
    from lut_fuse_core.backends.gpu.device import gpu_is_there, open_device

    try:
        open_device()  # before all is imported that only a GPU needs
        from lut_fuse_core.backends.gpu.choice import faster_backend

        return faster_backend(model, gpu, lambda name: _create(name, model, threads, gpu))
    except BackendUnavailableError as error:
        reasons = [f"GPU: {error}"]
    level = logging.WARNING if gpu_is_there() else logging.INFO
    return fastest_without_gpu(model, threads, reasons, level)


def fastest_without_gpu(
    model: FusionModel, threads: int | None, reasons: list[str], level: int = logging.WARNING
) -> Backend:
    """The fastest backend of the CPU.

    Args:
        model: What to fuse with.
        threads: CPU threads; None for all cores this process may run on.
        reasons: Why the GPU is not used, for the log; those of the CPU's backends are appended.
        level: Of the log.

    Returns:
        The backend.

    Raises:
        BackendUnavailableError: If there is none.
    """
    for name in _CLASSES:
        if name in _GPU:
            continue
        try:
            backend = _create(name, model, threads, DEFAULT_OPTIONS)
        except BackendUnavailableError as error:
            reasons.append(f"{name}: {error}")
            if name == "native" and built_libraries():
                _log.warning("'native', the fastest backend of the CPU, is not used: %s", error)
        else:
            _log.log(level, "'%s' is taken: %s", name, "; ".join(reasons))
            return backend
    raise BackendUnavailableError("no backend runs here: " + "; ".join(reasons))


def _create(name: str, model: FusionModel, threads: int | None, gpu: GpuOptions) -> Backend:
    options = {"options": gpu} if name in _GPU else {}
    backend: Backend = _load(name)(model, threads, **options)
    return backend


def _load(name: str):  # type: ignore[no-untyped-def]
    module_name, class_name = _CLASSES[name].split(":")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        raise BackendUnavailableError(f"it needs a module that is missing ({error})") from error
