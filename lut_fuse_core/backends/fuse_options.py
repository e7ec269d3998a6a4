"""How one pair is fused: strength, mask, ambient level and where the result goes."""

from __future__ import annotations

from dataclasses import dataclass

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.settings import check_settings, setting


@dataclass(frozen=True, eq=False)
class FuseOptions:
    """What `Backend.fuse` is asked for besides the pair; the default is the full fusion.

    Attributes:
        mask: ``(H, W) uint8``: how much of the change to apply at each pixel, 255 for all of it,
            0 where infrared sees nothing; None for all of it everywhere.
        out: Where to write, ``(H, W, 3) uint8``, C-contiguous and writable; may lie where an input
            does. None allocates.

    Raises:
        InputError: For a strength or an ambient level outside its range.
    """

    strength: float = setting(
        1.0,
        "Contribution of infrared: 0 shows the visible image, 1 the full fusion.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )
    mask: UInt8Array | None = None
    ambient: float | None = setting(
        None,
        "Ambient level of the scene for models with several lattices; by default measured in each "
        "frame.",
        unit="gray levels",
        minimum=0.0,
        maximum=255.0,
    )
    out: UInt8Array | None = None

    def __post_init__(self) -> None:
        check_settings(self)


FULL = FuseOptions()
"""The full fusion, into a new array."""
