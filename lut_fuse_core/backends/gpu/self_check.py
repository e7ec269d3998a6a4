"""Whether a GPU backend computes what the reference computes, asked before it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.base import RegisteringBackend
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.backends.gpu.options import Precision
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.warp import Warp

CHECK_SIZE = (75, 109)
"""Rows and columns of the pair that is compared: odd, and more than one tile of any kernel."""


@dataclass(frozen=True)
class Bound:
    """How far a precision may be from the reference.

    Attributes:
        near: Gray levels within which most values must be.
        share: Of all values that must be within ``near`` gray levels.
        far: Limit for every value, None for no limit.
    """

    near: int
    share: float
    far: int | None


BOUNDS: dict[Precision, Bound] = {
    "fp32": Bound(near=1, share=0.9999, far=2),
    "fp16": Bound(near=2, share=0.999, far=None),
    "int8": Bound(near=4, share=0.99, far=None),
}

_REPORT = "use 'native' or 'cpu' and report this"
ADVICE: dict[Precision, str] = {
    "fp32": _REPORT,
    "fp16": _REPORT,
    "int8": "ask for fp16, or run 'lut-fuse model ranges' with pairs of more kinds",
}


@dataclass(frozen=True)
class Agreement:
    """Differences from the reference.

    Attributes:
        largest: Largest difference in gray levels.
        share: Of the values within the bound, 0 to 1.
        bound: What was asked.
    """

    largest: int
    share: float
    bound: Bound

    @property
    def good(self) -> bool:
        """Whether the bound holds."""
        far = self.bound.far
        return self.share >= self.bound.share and (far is None or self.largest <= far)

    def __str__(self) -> str:
        text = (
            f"{self.share:.3%} of the values are within {self.bound.near} gray levels of the "
            f"reference ({self.bound.share:.2%} must be), the largest difference is {self.largest}"
        )
        return text if self.bound.far is None else f"{text} ({self.bound.far} is allowed)"


def agreement(result: UInt8Array, truth: UInt8Array, precision: Precision) -> Agreement:
    """Compare a fused image with the reference's."""
    bound = BOUNDS[precision]
    difference = np.abs(result.astype(np.int16) - truth.astype(np.int16))
    return Agreement(int(difference.max()), float(np.mean(difference <= bound.near)), bound)


def check_pair_of_images(seed: int = 0) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """A pair with smooth parts, noise and hard edges, and a mask.

    Args:
        seed: Of the noise.

    Returns:
        Visible ``(H, W, 3) uint8`` RGB, infrared and mask ``(H, W) uint8``, H and W those of
        `CHECK_SIZE`.
    """
    rng = np.random.default_rng(seed)
    rows, columns = CHECK_SIZE
    y, x = np.mgrid[:rows, :columns]
    gray = 128 + 90 * np.sin(x / 13 + y / 17) + rng.normal(0, 8, (rows, columns))
    visible = np.clip(gray[..., None] + rng.normal(0, 20, 3), 0, 255).astype(np.uint8)
    infrared = np.clip(128 + 140 * np.cos(x / 19 - y / 11), 0, 255).astype(np.uint8)
    visible[: rows // 3] = rng.integers(0, 256, (rows // 3, columns, 3), dtype=np.uint8)
    infrared[:, : columns // 3] = rng.choice(np.array([0, 255], np.uint8), (rows, columns // 3))
    return visible, infrared, rng.integers(0, 256, (rows, columns), dtype=np.uint8)


def require_agreement(
    fuse: Callable[..., UInt8Array], model: FusionModel, precision: Precision, device: str
) -> None:
    """Fuse a pair, with mask and another ambient level, and a darker one, and compare with the
    reference.

    Args:
        fuse: As `Backend.fuse`.
        model: What it fuses with.
        precision: What it computes in.
        device: For the message.

    Raises:
        BackendUnavailableError: With the numbers if the bound of this precision does not hold.
    """
    visible, infrared, mask = check_pair_of_images()
    reference = ReferenceBackend(model)
    for scene, options in (
        (visible, FULL),
        (visible, FuseOptions(strength=0.75, mask=mask, ambient=20.0)),
        (visible // 2, FULL),
    ):
        _require(
            fuse(scene, infrared, options),
            reference.fuse(scene, infrared, options),
            *(precision, device),
        )


def require_registration(
    backend: RegisteringBackend, model: FusionModel, precision: Precision, device: str
) -> None:
    """Fuse a raw frame, twice, and compare with the reference.

    Args:
        backend: What fuses.
        model: What it fuses with.
        precision: What it computes in.
        device: For the message.

    Raises:
        BackendUnavailableError: With the numbers if the bound of this precision does not hold.
    """
    visible, _, mask = check_pair_of_images()
    raw, levels, warp = check_raw_frame(mask)
    infrared = np.empty(visible.shape[:2], np.uint8)
    warp.sample(raw, levels, infrared)
    backend.hold(raw, levels, warp)
    for ambient in (50.0, None):  # registered on the way, registered before
        truth = ReferenceBackend(model).fuse(
            visible, infrared, FuseOptions(mask=warp.mask, ambient=ambient)
        )
        _require(backend.fuse_held(visible, FuseOptions(ambient=ambient)), truth, precision, device)


def check_raw_frame(mask: UInt8Array) -> tuple[RawInfrared, UInt8Array, Warp]:
    """A raw 16-bit frame with the gray level of each count, and a rotated view of it.

    Args:
        mask: ``(H, W) uint8`` of the visible image.

    Returns:
        Counts ``(61, 83) uint16``, gray levels ``(65536,) uint8``, and the warp to ``(H, W)``.
    """
    rng = np.random.default_rng(2)
    rows, columns = mask.shape
    raw = rng.integers(0, 65536, (61, 83), dtype=np.uint16)
    y, x = np.mgrid[:rows, :columns]
    positions = np.stack([0.8 * x - 0.1 * y - 3, 0.1 * x + 0.8 * y - 2], axis=-1)
    warp = Warp.from_positions(positions.astype(np.float32), (83, 61), mask)
    return raw, (np.arange(65536) >> 8).astype(np.uint8), warp


def _require(result: UInt8Array, truth: UInt8Array, precision: Precision, device: str) -> None:
    found = agreement(result, truth, precision)
    if not found.good:
        raise BackendUnavailableError(
            f"its self-check in {precision} on {device} failed: {found}; {ADVICE[precision]}"
        )
