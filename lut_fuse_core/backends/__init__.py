"""Backends: ways to execute a model. Each file here holds one; `create_backend` chooses by name."""

from lut_fuse_core.backends.base import Backend
from lut_fuse_core.backends.registry import (
    BACKEND_NAMES,
    BackendStatus,
    backend_statuses,
    create_backend,
    fastest_without_gpu,
)

__all__ = [
    "BACKEND_NAMES",
    "Backend",
    "BackendStatus",
    "backend_statuses",
    "create_backend",
    "fastest_without_gpu",
]
