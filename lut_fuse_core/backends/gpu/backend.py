"""What the `cuda` and the `tensorrt` backend have in common."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.base import check_process
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.backends.gpu.device import GpuDevice
from lut_fuse_core.backends.gpu.fuser import DEFAULT_SIZE, GpuFuser
from lut_fuse_core.backends.gpu.options import Precision
from lut_fuse_core.backends.gpu.self_check import require_agreement, require_registration
from lut_fuse_core.backends.gpu.transfers import settle_transfers
from lut_fuse_core.errors import BackendUnavailableError, LutFuseError
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.warp import Warp

_log = logging.getLogger(__name__)


class GpuBackend:
    """A backend around a `GpuFuser` that has been held against the reference.

    Args:
        model: What to fuse with.
        device: The GPU.
        wanted: Precision to compute in; None for the best of the device's. Where its results
            differ too much from the reference's, the next of `GpuDevice.precisions` is taken.
        make: Makes the fuser for a precision.
        size: Height and width of the frames that it is tuned for, in pixels.

    Attributes:
        precision: What it computes in.

    Raises:
        BackendUnavailableError: As `checked_fuser` does.
    """

    name: str

    def __init__(
        self,
        model: FusionModel,
        device: GpuDevice,
        wanted: Precision | None,
        make: Callable[[Precision], GpuFuser],
        size: tuple[int, int] = DEFAULT_SIZE,
    ) -> None:
        self.model, self.device = model, device
        self._process = os.getpid()
        self.precision, self.fuser = checked_fuser(self.name, model, device, wanted, make, size)
        self._checked = self.fuser.stage.generation

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`.

        Raises:
            InputError: For unsuitable arrays.
            BackendUnavailableError: If a larger image than before needs what cannot be had, or the
                GPU fails.
        """
        with self._failing():
            return self.fuser.fuse(visible, infrared, options)

    def hold(self, raw: RawInfrared, levels: UInt8Array, warp: Warp) -> None:
        """Take a copy of a raw frame; see `RegisteringBackend.hold`.

        Raises:
            InputError: For arrays that do not belong together.
            BackendUnavailableError: As `fuse` does.
        """
        with self._failing():
            self.fuser.hold(raw, levels, warp)

    def fuse_held(self, visible: UInt8Array, options: FuseOptions = FULL) -> UInt8Array:
        """Fuse with the held frame; see `RegisteringBackend.fuse_held`.

        Raises:
            InputError: For unsuitable arrays, or if no frame of this size is held.
            BackendUnavailableError: As `fuse` does.
        """
        with self._failing():
            return self.fuser.fuse_held(visible, options)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever CuPy or TensorRT raise becomes BackendUnavailableError, and what a larger image
        than before is computed with is held against the reference, too."""
        check_process(self.name, self._process)
        try:
            yield
            if self.fuser.stage.generation != self._checked:
                require_agreement(self.fuser.fuse, self.model, self.precision, self.device.name)
                self._checked = self.fuser.stage.generation
        except LutFuseError:
            raise
        except Exception as error:
            raise BackendUnavailableError(f"{self.device.name} failed ({error})") from error


def checked_fuser(
    name: str,
    model: FusionModel,
    device: GpuDevice,
    wanted: Precision | None,
    make: Callable[[Precision], GpuFuser],
    size: tuple[int, int],
) -> tuple[Precision, GpuFuser]:
    """The first precision in which the GPU computes what the reference does, and its fuser.

    Args:
        name: Of the backend, for messages.
        model: What to fuse with.
        device: The GPU.
        wanted: As in `GpuBackend`. A warning is logged where another precision is taken.
        make: Makes the fuser for a precision.
        size: Height and width of the frames that it is tuned for, in pixels.

    Returns:
        The precision, and the fuser that computes in it.

    Raises:
        BackendUnavailableError: With the reason of each if there is none.
    """
    reasons: list[str] = []
    for precision in device.precisions(wanted):
        try:
            fuser = make(precision)
            settle_transfers(fuser, size)
            require_agreement(fuser.fuse, model, precision, device.name)
            require_registration(fuser, model, precision, device.name)
        except BackendUnavailableError as error:
            reasons.append(str(error))
        except Exception as error:  # out of memory, a launch that fails: CuPy's, TensorRT's own
            reasons.append(f"its first frame in {precision} failed on {device.name} ({error})")
        else:
            if reasons:
                _log.warning("'%s' fuses in %s: %s", name, precision, "; ".join(reasons))
            return precision, fuser
    raise BackendUnavailableError("; ".join(reasons))
