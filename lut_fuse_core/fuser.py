"""The Python interface: one object that fuses registered 8-bit pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends import create_backend, fastest_without_gpu
from lut_fuse_core.backends.base import RegisteringBackend
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.file import load_model
from lut_fuse_core.model.fusion_model import FusionModel

T = TypeVar("T")


class Fuser:
    """Fuses visible and infrared images that show the same pixels.

    Args:
        model: A model name (``default``), the path of a model file, or a FusionModel.
        backend: ``auto`` (the fastest that works) or one of the names `lut-fuse backends` lists.
        threads: CPU threads; None for all cores this process may run on.
        gpu: Precision and cache folder of the GPU backends.

    Attributes:
        model: The model that is executed.
        backend: What fuses now: the one that was chosen, or one of the CPU after the GPU failed.
        replaced: Why `backend` is not the one that was chosen; empty while it is.

    Raises:
        ModelError: For an unusable model.
        InputError: For an unknown backend, or a number of threads outside 1 to 256.
        BackendUnavailableError: For a backend that cannot run.

    >>> import numpy as np
    >>> fuser = Fuser("default")
    >>> visible = np.zeros((480, 640, 3), np.uint8)
    >>> infrared = np.full((480, 640), 200, np.uint8)
    >>> fuser.fuse(visible, infrared).shape
    (480, 640, 3)
    """

    def __init__(
        self,
        model: str | Path | FusionModel = "default",
        backend: str = "auto",
        threads: int | None = None,
        gpu: GpuOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.model = model if isinstance(model, FusionModel) else load_model(model)
        self.backend = create_backend(backend, self.model, threads, gpu)
        self.replaced = ""
        self._threads = threads

    def attempt(self, work: Callable[[], T], lost: Callable[[], None]) -> T:
        """Run something on the backend; if the GPU fails, run it again on the CPU.

        Args:
            work: What to do; must use the `backend` of the time when it is called.
            lost: Called before the second attempt: whatever the GPU held is gone.

        Returns:
            What ``work`` returns.

        Raises:
            BackendUnavailableError: If a backend of the CPU fails.
        """
        try:
            return work()
        except BackendUnavailableError as error:
            if not isinstance(self.backend, RegisteringBackend):
                raise
            self._leave_gpu(error)
        lost()
        return work()

    def _leave_gpu(self, error: BackendUnavailableError) -> None:
        """Go on with the fastest backend of the CPU, with a warning in the log."""
        name = self.backend.name
        self.backend = fastest_without_gpu(
            self.model, self._threads, [f"'{name}' cannot go on: {error}"]
        )
        self.replaced = f"'{name}' failed while running ({error}); '{self.backend.name}' fuses"

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; if the GPU fails, on the CPU.

        Args:
            visible: ``(H, W, 3) uint8``, RGB, at least 16x16.
            infrared: ``(H, W) uint8``.
            options: Strength, mask, ambient level and where to write.

        Returns:
            ``(H, W, 3) uint8``, RGB.

        Raises:
            InputError: For arrays of another shape, type or size.
            BackendUnavailableError: If a backend of the CPU fails.
            MemoryError: If there is no memory for images of this size.
        """
        return self.attempt(lambda: self.backend.fuse(visible, infrared, options), lost=_nothing)


def _nothing() -> None:
    """Nothing is lost with the GPU where every call brings all that it needs."""
