"""Why the depth of a rig, or of a pair, cannot be followed: a sentence for diagnostics."""

from __future__ import annotations

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.registration.blank import blank_camera
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.rig import LONGEST_BASELINE, CameraRig

SHORTEST_BASELINE = 2e-3
"""Meters; less than this is a translation in another unit, or none."""

LEAST_SEEN = 0.1
"""Share of the visible image that infrared must see."""


def doubts_about(geometry: FieldGeometry) -> str:
    """Why this rig cannot be followed; empty if it can."""
    transform = geometry.registration.transform
    if isinstance(transform, CameraRig):
        baseline = transform.baseline
        if baseline > LONGEST_BASELINE:
            return (
                f"depth is not followed: as calibrated the cameras are {baseline:.3g} m apart; is "
                "the translation in millimeters?"
            )
        if baseline < SHORTEST_BASELINE:
            return (
                f"depth is not followed: as calibrated the cameras are {1e3 * baseline:.2g} mm "
                "apart, too little for parallax; the translation must be in meters"
            )
    seen = geometry.seen_share
    if seen < LEAST_SEEN:
        return (
            f"depth is not followed: as registered infrared sees {100 * seen:.0f} % of the visible "
            "image; is the matrix or pose the wrong way round?"
        )
    return ""


def doubts_about_pair(visible: UInt8Array, raw: RawInfrared) -> str:
    """Why this pair cannot be compared; empty if it can."""
    blank = blank_camera(visible, raw)
    if blank:
        return f"depth is not followed: the {blank} image is blank (the same everywhere)"
    return ""
