"""A stand-in for TensorRT that executes encoders with ONNX Runtime, beside `host_cupy`.

Two kinds, with the rules of their documentation: ``8.5.3.1``, where flags of the builder allow a
precision and quantized networks need theirs, and ``11.4.0.106``, where networks are strongly typed
and there are no such flags.
"""

from __future__ import annotations

import ctypes
import pickle
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from host_cupy import HostStream, stream_at

onnx = pytest.importorskip("onnx")

OLD, NEW = "8.5.3.1", "11.4.0.106"


class _OldNetworkFlag(IntEnum):
    EXPLICIT_BATCH = 0


class _NewNetworkFlag(IntEnum):
    STRONGLY_TYPED = 1


class _OldFlag(IntEnum):
    FP16 = 0
    INT8 = 1
    TF32 = 7


class _NewFlag(IntEnum):
    TF32 = 7


class _OldSource(IntEnum):
    CUBLAS = 0
    CUBLAS_LT = 1
    CUDNN = 2
    EDGE_MASK_CONVOLUTIONS = 3
    JIT_CONVOLUTIONS = 4


class _NewSource(IntEnum):
    EDGE_MASK_CONVOLUTIONS = 3
    JIT_CONVOLUTIONS = 4


MISSING = 0b111
"""Sources of kernels that are libraries of their own: on this machine there are none of them."""


def host_tensorrt(version: str) -> Any:
    """The stand-in for the module. built: the flags of every engine that was built; measured: how
    many of them needed measurements."""
    module = SimpleNamespace(
        __version__=version,
        NetworkDefinitionCreationFlag=_OldNetworkFlag if version == OLD else _NewNetworkFlag,
        BuilderFlag=_OldFlag if version == OLD else _NewFlag,
        TacticSource=_OldSource if version == OLD else _NewSource,
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        built=[],
        measured=0,
    )

    class Logger:
        WARNING = 2

        def __init__(self, _: int) -> None: ...

    module.Logger = Logger
    module.Builder = lambda _: _Builder(module)
    module.OnnxParser = lambda network, _: _Parser(network, version)
    module.Runtime = lambda _: SimpleNamespace(
        deserialize_cuda_engine=lambda plan: _deserialized(plan, version)
    )
    return module


class _Parser:
    """The old one does not infer a kernel's size from weights that are computed."""

    num_errors = 0

    def __init__(self, network: Any, version: str) -> None:
        self._network, self._version = network, version

    def parse(self, file: bytes) -> bool:
        graph = onnx.load_model_from_string(file).graph
        constants = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            sized = "kernel_shape" in {attribute.name for attribute in node.attribute}
            computed = node.op_type == "Conv" and node.input[1] not in constants
            if self._version == OLD and computed and not sized:
                self.num_errors += 1
        self._network.onnx = file
        return not self.num_errors

    def get_error(self, index: int) -> str:
        return f"error {index}: shape misaligns with the kernel's"


class _Builder:
    def __init__(self, module: Any) -> None:
        self._module = module

    def create_network(self, flags: int) -> Any:
        (kind,) = self._module.NetworkDefinitionCreationFlag
        assert flags == 1 << kind
        return SimpleNamespace(onnx=b"")

    def create_builder_config(self) -> Any:
        config = SimpleNamespace(
            flags={"TF32"},
            profile=None,
            sources=sum(1 << source for source in self._module.TacticSource),
            set_memory_pool_limit=lambda *_: None,
            timings=None,
            create_timing_cache=_timings,
        )
        config.get_timing_cache = lambda: SimpleNamespace(
            serialize=lambda: pickle.dumps(config.timings)
        )

        def set_timing_cache(cache: set[Any], ignore_mismatch: bool) -> bool:
            assert not ignore_mismatch
            config.timings = cache
            return True

        config.set_timing_cache = set_timing_cache
        config.get_tactic_sources = lambda: config.sources
        config.set_tactic_sources = lambda sources: setattr(config, "sources", sources) or True
        config.set_flag = lambda flag: config.flags.add(self._module.BuilderFlag(flag).name)
        config.clear_flag = lambda flag: config.flags.discard(self._module.BuilderFlag(flag).name)
        config.add_optimization_profile = lambda profile: setattr(config, "profile", profile) or 0
        return config

    def create_optimization_profile(self) -> Any:
        shapes: dict[str, Any] = {}
        return SimpleNamespace(shapes=shapes, set_shape=lambda n, *s: shapes.update({n: s}))

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        marks = {"INT8": b"QuantizeLinear", "FP16": b"Cast"}
        needed = {flag for flag, mark in marks.items() if mark in network.onnx}
        if self._module.__version__ == OLD and config.flags - {"TF32"} != needed:
            return None
        if config.sources & MISSING:
            return None
        self._module.built.append(sorted(config.flags))
        tensors = onnx.load_model_from_string(network.onnx).graph.initializer
        structure = tuple((*tensor.dims, tensor.data_type) for tensor in tensors)
        layers = (structure, *sorted(config.flags), config.profile.shapes["planes"])
        self._module.measured += layers not in config.timings
        config.timings.add(layers)
        facts = (self._module.__version__, network.onnx, config.profile.shapes["planes"])
        return memoryview(pickle.dumps(facts))


def _timings(content: bytes) -> Any:
    try:
        return pickle.loads(content) if content else set()
    except pickle.UnpicklingError:
        return None


def _deserialized(plan: bytes, version: str) -> Any:
    try:
        built_by, onnx, shapes = pickle.loads(plan)
    except pickle.UnpicklingError:
        return None
    if built_by != version:
        return None
    return SimpleNamespace(create_execution_context=lambda: _Context(onnx, shapes))


class _Context:
    """Executes; refuses shapes beyond the profile, and a capture before the shape was executed."""

    def __init__(self, onnx: bytes, shapes: Any) -> None:
        self._session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
        self._least, _, self._most = shapes
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}
        self._executed = False

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == "planes"
        self._shape, self._executed = shape, False
        sides = zip(self._least, shape, self._most, strict=True)
        return all(low <= side <= high for low, side, high in sides)

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert type(address) is int
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if HostStream.capture is not None and not self._executed:
            return False
        self._executed = True
        shape, addresses = self._shape, dict(self._addresses)
        stream_at(stream).put(lambda: self._run(shape, addresses))
        return True

    def _run(self, shape: tuple[int, ...], addresses: dict[str, int]) -> None:
        half = self._session.get_inputs()[0].type == "tensor(float16)"
        planes = _array(addresses["planes"], shape, np.float16 if half else np.float32)
        context = _array(addresses["context"], (1, 1, *shape[2:]), np.float32)
        context[:] = self._session.run(None, {"planes": planes.copy()})[0]


def _array(address: int, shape: tuple[int, ...], kind: Any) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    memory = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, kind).reshape(shape)
