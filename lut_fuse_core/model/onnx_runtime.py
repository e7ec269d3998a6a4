"""ONNX Runtime with telemetry disabled, which official builds enable by default."""

from __future__ import annotations

import os

# It is read when the module is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
