"""The remap that follows a displacement field."""

from __future__ import annotations

import ctypes
from functools import cached_property

import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Expansion, load_library
from lut_fuse_core.registration.coarse_grid import STEP, expanded, node_places
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.warp import BAND, Remap, Warp

FADE = 8.0
"""Visible pixels over which infrared fades out beyond the border of its view."""

FAR_OUTSIDE = -1e4
"""Position of what infrared cannot see at all."""


class FieldWarps:
    """Makes the warps of one rig; positions are computed in full only once.

    Args:
        geometry: Of the rig.
    """

    def __init__(self, geometry: FieldGeometry) -> None:
        self._geometry = geometry
        scale = float(geometry.grid.scale.max())
        self._border = STEP * (int(geometry.margin * scale) // STEP + 2)

    def follow(self, base: Warp, field: DisplacementField) -> Warp:
        """The warp that shows infrared displaced by a field.

        Args:
            base: The warp at the set distance.
            field: For images of the same sizes.
        """
        nodes = self._nodes(field)
        height, width = base.visible_size[::-1]
        try:
            library = load_library()
        except BackendUnavailableError:
            remap, mask = self._expand_portably(nodes)
        else:
            remap, mask = self._expand(library, nodes)
        if base.mask is not None:
            mask = np.minimum(mask, base.mask)
        return Warp((width, height), base.infrared_size, remap, mask)

    @cached_property
    def _still(self) -> FloatArray:
        """Infrared positions at the set distance, of nodes in and around the visible image."""
        at = self._geometry.positions(node_places(self._geometry.visible_size, self._border))
        return np.nan_to_num(at, nan=FAR_OUTSIDE).astype(np.float32)

    @cached_property
    def _places(self) -> FloatArray:
        return node_places(self._geometry.visible_size)

    def _nodes(self, field: DisplacementField) -> FloatArray:
        """Infrared positions of the nodes of the visible image, ``(rows, columns, 2) float32``."""
        at = (self._places + field.at(self._places) + (self._border + 0.5)) / np.float32(STEP)
        x, y = cv2.split(at)
        found = cv2.remap(self._still, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(found, np.float32)

    @property
    def _fade(self) -> float:
        """What a raw pixel beyond the border takes off, as a share."""
        raw_pixels = self._geometry.reduction / float(self._geometry.grid.scale.mean())
        return 1 / max(FADE * raw_pixels, 1e-3)

    def _expand(self, library: ctypes.CDLL, nodes: FloatArray) -> tuple[Remap, UInt8Array]:
        width, height = self._geometry.visible_size
        raw_width, raw_height = self._geometry.infrared_size
        offsets = np.empty((height, width, 2), np.int16)
        fractions = np.empty((height, width), np.uint16)
        windows = np.empty((-(-height // BAND), 4), np.int32)
        mask = np.empty((height, width), np.uint8)
        arrays = (nodes, offsets, fractions, windows, mask)
        described = Expansion(
            *(each.ctypes.data for each in arrays),
            *(*nodes.shape[:2], STEP, BAND, raw_height, raw_width, height, width),
            self._fade,
        )
        if library.lut_fuse_expand(ctypes.byref(described)):
            raise MemoryError(f"no memory to register infrared for {width}x{height}")
        return Remap(offsets, fractions, windows), mask

    def _expand_portably(self, nodes: FloatArray) -> tuple[Remap, UInt8Array]:
        positions = expanded(nodes, self._geometry.visible_size)
        last = np.array(self._geometry.infrared_size, np.float32) - 1
        beyond = np.maximum(-positions, positions - last).max(axis=-1) - np.float32(0.5)
        kept = np.clip(1 - np.maximum(beyond, 0) * np.float32(self._fade), 0, 1)
        mask = (255 * kept + 0.5).astype(np.uint8)
        return Remap.from_positions(positions, self._geometry.infrared_size), mask
