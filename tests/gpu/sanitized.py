"""Fuses a few frames in every variant; run under compute-sanitizer by the suite."""

from __future__ import annotations

from typing import Any

import numpy as np
from card_models import models, random_pair, raw_frame

from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.cuda import CudaBackend
from lut_fuse_core.backends.gpu.options import GpuOptions

OPTIONS: tuple[dict[str, Any], ...] = (
    {"options": GpuOptions("fp16")},
    {"options": GpuOptions("fp32")},
)

for name, model in models().items():
    for options in OPTIONS:
        backend = CudaBackend(model, **options)
        for size in ((16, 16), (67, 101)):
            visible, infrared = random_pair(*size)
            backend.fuse(visible, infrared, FuseOptions(mask=infrared))
            backend.fuse(visible, infrared)
            backend.fuse(visible, infrared, FuseOptions(ambient=50.0))
            backend.hold(*raw_frame(*size, np.uint16))
            backend.fuse_held(visible)
            backend.fuse_held(visible, FuseOptions(ambient=50.0))
        print(f"{name}: {options}", flush=True)
