"""The process that those of a batch are forked from, which has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

NEEDED = (
    "lut_fuse_core.batch.work",
    "lut_fuse_core.bag.fusing",
    "lut_fuse_core.backends.gpu.choice",
    "lut_fuse_core.backends.native",
    "lut_fuse_core.files.fusing",
    "numpy.fft",
    "simplejpeg",
)
"""Modules that tasks need; without their libraries, tasks fail that need them, and no others."""

LONGEST_FOLDER = 64
"""Bytes of the path of the folder for temporary files, up to which a socket in a folder of it has a
path that Linux takes: 107 bytes in all."""


def prepare() -> None:
    """Begin to import what the processes need.

    The process does nothing else and has no threads, so that forking is safe; and each of the
    others starts in some milliseconds instead of half a second.
    """
    if not isinstance(context(), ForkServerContext):
        return
    multiprocessing.set_forkserver_preload(list(NEEDED))
    forkserver.ensure_running()


def context() -> ForkServerContext | SpawnContext:
    """How processes start: each by itself where that to fork them from can have no socket."""
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_FOLDER:
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")
