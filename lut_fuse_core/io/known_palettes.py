"""Palettes of thermal pictures that are recognized, from the lowest to the highest intensity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.libraries.opencv import cv2

_FLIR_IRON = (
    *((0, 31, 37), (29, 17, 103), (72, 11, 142), (110, 10, 160), (143, 17, 161), (171, 29, 149)),
    *((193, 46, 127), (210, 65, 98), (224, 87, 69), (234, 109, 43), (241, 133, 22)),
    *((243, 157, 10), (245, 180, 12), (243, 200, 33), (239, 218, 73), (232, 231, 141)),
    (225, 239, 239),
)
_IRONBOW = (
    *((0, 0, 10), (30, 0, 110), (85, 0, 150), (140, 0, 157), (178, 13, 150), (205, 45, 115)),
    *((225, 80, 50), (240, 115, 12), (250, 155, 0), (255, 195, 15), (255, 230, 75)),
    (255, 255, 246),
)
_ANCHORS = {"iron": _FLIR_IRON, "ironbow": _IRONBOW}
"""Palettes by colors at even distances. Source: palettes stored in files of FLIR cameras."""

_OPENCV = (
    *("jet", "turbo", "rainbow", "inferno", "magma", "plasma", "viridis", "cividis", "parula"),
    *("hot", "cool", "bone", "pink", "ocean", "winter", "summer", "autumn", "spring"),
)
"""Palettes of OpenCV; those of matplotlib and MATLAB are the same or nearly so."""

_CYCLIC = ("hsv", "twilight", "twilight_shifted")
"""Palettes whose ends have the same color: they are recognized to be refused."""


@dataclass(frozen=True)
class Palette:
    """A palette.

    Attributes:
        name: As users know it.
        colors: ``(256, 3) float32``, RGB, from the lowest to the highest intensity.
    """

    name: str
    colors: FloatArray


@cache
def palettes() -> tuple[Palette, ...]:
    """The palettes that are recognized; of OpenCV's those that this version has."""
    found = list(_of_opencv(_OPENCV))
    for name, anchors in _ANCHORS.items():
        at = np.linspace(0, 255, len(anchors))
        channels = [np.interp(np.arange(256), at, channel) for channel in np.transpose(anchors)]
        found.append(Palette(name, np.stack(channels, axis=1).astype(np.float32)))
    return tuple(found)


def cyclic_palettes() -> tuple[Palette, ...]:
    """Palettes whose ends have the same color, so that no intensities can be recovered."""
    return _of_opencv(_CYCLIC)


@cache
def _of_opencv(names: tuple[str, ...]) -> tuple[Palette, ...]:
    """Palettes of this OpenCV: old ones have fewer."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    found = []
    for name in names:
        number = getattr(cv2, f"COLORMAP_{name.upper()}", None)
        if number is not None:
            colors = cv2.cvtColor(cv2.applyColorMap(ramp, number), cv2.COLOR_BGR2RGB)
            found.append(Palette(name, colors[:, 0].astype(np.float32)))
    return tuple(found)
