"""A stand-in for TensorRT that executes encoders with ONNX Runtime, beside `host_cupy`.

Two kinds, with the rules of their documentation: ``8.5.3.1``, where flags of the builder allow a
precision and quantised networks need theirs, and ``11.4.0.106``, where networks are strongly typed
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
from host_cupy import HostStream, stream_at

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
    """The stand-in for the module. built: how many engines were built."""
    module = SimpleNamespace(
        __version__=version,
        NetworkDefinitionCreationFlag=_OldNetworkFlag if version == OLD else _NewNetworkFlag,
        BuilderFlag=_OldFlag if version == OLD else _NewFlag,
        TacticSource=_OldSource if version == OLD else _NewSource,
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        built=[],
    )

    class Logger:
        WARNING = 2

        def __init__(self, _: int) -> None: ...

    module.Logger = Logger
    module.Builder = lambda _: _Builder(module)
    module.OnnxParser = _Parser
    module.Runtime = lambda _: SimpleNamespace(
        deserialize_cuda_engine=lambda plan: _deserialised(plan, version)
    )
    return module


class _Parser:
    num_errors = 0

    def __init__(self, network: Any, _: Any) -> None:
        self._network = network

    def parse(self, onnx: bytes) -> bool:
        self._network.onnx = onnx
        return True


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
        )
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
        facts = (self._module.__version__, network.onnx, config.profile.shapes["planes"])
        return memoryview(pickle.dumps(facts))


def _deserialised(plan: bytes, version: str) -> Any:
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
