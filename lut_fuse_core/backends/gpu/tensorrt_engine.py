"""TensorRT engines: built once from the exported encoder, kept in a folder, loaded afterwards.

Works with the Python API of TensorRT 8.5 to 11: tensors by name (8.5 and later), types taken from
the ONNX file where networks can be strongly typed (10 and later; the only way in 11).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.backends.gpu.device import GpuDevice
from lut_fuse_core.backends.gpu.options import Precision
from lut_fuse_core.errors import BackendUnavailableError, ModelError
from lut_fuse_core.model.encoder import ContextEncoder

if TYPE_CHECKING:
    from lut_fuse_core.model.onnx_encoder import Arithmetic

OLDEST_TENSORRT = (8, 5)
ARITHMETIC: dict[Precision, Arithmetic] = {"fp32": "float32", "fp16": "float16", "int8": "int8"}
"""What the ONNX file is written in. Networks that are not strongly typed also need a flag."""
BUILDER_FLAGS: dict[Precision, tuple[str, ...]] = {
    "fp32": (),
    "fp16": ("FP16",),
    "int8": ("FP16", "INT8"),
}
"""Members of tensorrt.BuilderFlag that allow a precision, where networks are not strongly typed."""
LEAST_SIDE = 1
"""Least rows and columns of the encoder's grid that an engine accepts."""
WORKSPACE = 256 << 20
"""Bytes that TensorRT may use for itself."""

_log = logging.getLogger(__name__)
_loggers: dict[str, Any] = {}


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on; another value of any of them means another engine.

    Attributes:
        gpu: Name of the GPU.
        capability: Compute capability times ten.
        processors: Multiprocessors; every Orin has the same name and capability, but not their
            number.
        tensorrt: Its version.
        precision: What the engine computes in.
        rows: Of the encoder's grid that the engine is tuned for, and the most that it accepts.
        columns: Likewise.
        onnx_hash: SHA-256 of the exported encoder.
    """

    gpu: str
    capability: int
    processors: int
    tensorrt: str
    precision: Precision
    rows: int
    columns: int
    onnx_hash: str

    @property
    def file_name(self) -> str:
        """A file name that holds all of it."""
        return (
            f"encoder-{self._place}"
            f"-{self.precision}-{self.columns}x{self.rows}-{self.onnx_hash[:16]}.engine"
        )

    @property
    def timings_name(self) -> str:
        """A file name for what TensorRT measured: it holds for all encoders, precisions, sizes."""
        return f"timings-{self._place}.cache"

    @property
    def _place(self) -> str:
        return place_of(self.gpu, self.capability, self.processors, self.tensorrt)


def place_of(gpu: str, capability: int, processors: int, tensorrt: str) -> str:
    """Part of a file name that tells GPUs and versions of TensorRT apart."""
    return f"{file_part(gpu)}-{processors}sm{capability}-trt{file_part(tensorrt)}"


def file_part(text: str) -> str:
    """Text as part of a file name, for any file system."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-").lower()


def cache_folder() -> Path:
    """Where engines are kept: LUT_FUSE_CACHE, or lut_fuse under the user's cache folder."""
    if folder := os.environ.get("LUT_FUSE_CACHE"):
        return Path(folder)
    try:
        home = Path.home()
    except RuntimeError:  # a user without one
        home = Path(tempfile.gettempdir())
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "lut_fuse"


def exported(encoder: ContextEncoder, precision: Precision) -> tuple[bytes, str]:
    """The encoder as ONNX in this precision, and its SHA-256.

    Raises:
        BackendUnavailableError: For int8, if the model does not have the ranges that it needs, or
            no convolution that int8 serves.
    """
    try:
        from lut_fuse_core.model.onnx_encoder import encoder_to_onnx  # and with it, protobuf

        onnx = encoder_to_onnx(encoder, ARITHMETIC[precision])
    except ModelError as error:
        raise BackendUnavailableError(f"{precision} cannot serve this model: {error}") from error
    return onnx, hashlib.sha256(onnx).hexdigest()


def open_tensorrt() -> Any:
    """The tensorrt module.

    Raises:
        BackendUnavailableError: If it is missing or too old.
    """
    try:
        import tensorrt
    except (ImportError, OSError, RuntimeError) as error:  # the module, or libraries it loads
        raise BackendUnavailableError(
            f"it needs TensorRT's Python module ({error}); on a Jetson run 'sudo apt install "
            "python3-libnvinfer', elsewhere 'pip install tensorrt'"
        ) from error
    if version_of(tensorrt.__version__) < OLDEST_TENSORRT:
        oldest = ".".join(map(str, OLDEST_TENSORRT))
        raise BackendUnavailableError(
            f"TensorRT {tensorrt.__version__} is too old; {oldest} or later is needed"
        )
    return tensorrt


def version_of(text: str) -> tuple[int, int]:
    """Major and minor version: (10, 3) of ``10.3.0.post1``."""
    numbers = re.findall(r"\d+", text)
    return int(numbers[0]), int(numbers[1])


class EncoderEngines:
    """The engines of one encoder in one precision, for any size.

    Args:
        tensorrt: The module.
        device: The GPU.
        encoder: What they compute.
        precision: What they compute in.
        folder: Where they are cached; None for `cache_folder`.

    Attributes:
        channels: Of the encoder's input.
    """

    def __init__(
        self,
        tensorrt: Any,
        device: GpuDevice,
        encoder: ContextEncoder,
        precision: Precision,
        folder: Path | None,
    ) -> None:
        self._tensorrt, self._device, self._folder = tensorrt, device, folder
        self._precision = precision
        self._onnx, self._hash = exported(encoder, precision)
        self.channels = int(encoder.blocks[0].weight.shape[1])

    def open(self, rows: int, columns: int) -> Any:
        """An engine for grids up to this one; raises as `load_or_build` does."""
        device, version = self._device, self._tensorrt.__version__
        key = EngineKey(
            *(device.name, device.capability, device.processors, version, self._precision),
            *(rows, columns, self._hash),
        )
        return load_or_build(self._tensorrt, key, self._onnx, self.channels, self._folder)


def load_or_build(
    tensorrt: Any, key: EngineKey, onnx: bytes, channels: int, folder: Path | None = None
) -> Any:
    """The engine for a key, from the cache if it is there and loads, else built and stored.

    Args:
        tensorrt: The module.
        key: What the engine depends on.
        onnx: The exported encoder.
        channels: Of its input.
        folder: None for `cache_folder`. A folder that cannot be written only costs time.

    Raises:
        BackendUnavailableError: If TensorRT cannot build it.
    """
    logger = _logger(tensorrt)
    runtime = tensorrt.Runtime(logger)
    folder = folder or cache_folder()
    path = folder / key.file_name
    if path.is_file():
        engine = None
        with suppress(OSError):
            engine = runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is not None:
            return engine
        _log.warning("%s does not load; it is built again", path)
    _log.warning(
        "building the TensorRT engine for a grid of %dx%d in %s; it is kept in %s, so this "
        "happens once",
        *(key.columns, key.rows, key.precision, folder),
    )
    timings = folder / key.timings_name
    known = b""
    with suppress(OSError):  # at the first build there are none; without them it takes longer
        known = timings.read_bytes()
    plan, measured = _build(tensorrt, logger, key, onnx, channels, known)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in ((path, plan), (timings, measured)):
            with atomic_write(file) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        _log.warning("what was built and measured cannot be kept in %s (%s)", folder, error)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise BackendUnavailableError("TensorRT cannot load the engine that it has just built")
    return engine


def _logger(tensorrt: Any) -> Any:
    """One for all of the process, as TensorRT wants it."""
    if tensorrt.__version__ not in _loggers:
        _loggers[tensorrt.__version__] = tensorrt.Logger(tensorrt.Logger.WARNING)
    return _loggers[tensorrt.__version__]


def _build(
    tensorrt: Any, logger: Any, key: EngineKey, onnx: bytes, channels: int, timings: bytes
) -> tuple[bytes, bytes]:
    """An engine, and what TensorRT has measured for it and before it (timings), serialized."""
    builder = tensorrt.Builder(logger)
    flags, weakly_typed = network_flags(tensorrt.NetworkDefinitionCreationFlag)
    network = builder.create_network(flags)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise BackendUnavailableError(f"TensorRT cannot read the exported encoder ({errors})")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE)
    if key.precision == "fp32":  # by default TensorRT rounds to 10 bits what tensor cores multiply
        config.clear_flag(tensorrt.BuilderFlag.TF32)
    for flag in BUILDER_FLAGS[key.precision] if weakly_typed else ():
        config.set_flag(getattr(tensorrt.BuilderFlag, flag))
    use_own_kernels_only(tensorrt.TacticSource, config)
    profile = builder.create_optimization_profile()
    least, most = (
        (1, channels, rows, columns)
        for rows, columns in ((LEAST_SIDE, LEAST_SIDE), (key.rows, key.columns))
    )
    profile.set_shape("planes", least, most, most)
    config.add_optimization_profile(profile)
    recall_timings(config, timings)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendUnavailableError("TensorRT cannot build the encoder; its log says why")
    timing_cache = config.get_timing_cache()
    return bytes(plan), b"" if timing_cache is None else bytes(timing_cache.serialize())


def recall_timings(config: Any, known: bytes) -> None:
    """Let a build go on from what was measured before. Nearly all of its time goes into that, and
    an encoder of the same structure, as after more training, needs nothing new.

    Args:
        config: TensorRT's builder configuration.
        known: As serialized, or empty; what TensorRT cannot use is started again.
    """
    for content in (known, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return


def use_own_kernels_only(sources: Any, config: Any) -> None:
    """Build without cuDNN and cuBLAS: five small convolutions gain nothing from them, and an engine
    that uses them loads only where they are installed.

    Args:
        sources: `tensorrt.TacticSource`, whose members differ between the versions.
        config: TensorRT's builder configuration.
    """
    wanted = config.get_tactic_sources()
    for name in ("CUDNN", "CUBLAS", "CUBLAS_LT"):
        if hasattr(sources, name):
            wanted &= ~(1 << int(getattr(sources, name)))
    config.set_tactic_sources(wanted)


def network_flags(kinds: Any) -> tuple[int, bool]:
    """Flags of `create_network`, and whether the network takes its precision from builder flags.

    Args:
        kinds: ``tensorrt.NetworkDefinitionCreationFlag``; its members differ between versions.
    """
    if hasattr(kinds, "STRONGLY_TYPED"):
        return 1 << int(kinds.STRONGLY_TYPED), False
    return 1 << int(kinds.EXPLICIT_BATCH), True
