"""Cameras that show no picture."""

from __future__ import annotations

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.infrared.quantiles import quantiles

FLAT = 6.0
"""Gray levels that a visible image without a picture spans at most: noise."""

FLAT_COUNTS = 2.0
"""Counts that an infrared image without a picture spans at most."""

EXTREMES = (0.005, 0.995)
"""Quantiles between which an image spans, so that dead pixels and a far lamp do not count."""

BLACK = 16.0
"""Gray level below which all of a visible image lies if nothing lights it."""


def blank_camera(visible: UInt8Array, infrared: RawInfrared) -> str:
    """Which camera shows no picture, but the same everywhere.

    Args:
        visible: ``(H, W, 3) uint8``.
        infrared: ``(h, w) uint8 or uint16``, raw counts.

    Returns:
        ``visible`` or ``infrared``; empty if both show a picture.
    """
    return _blank_of(_visible_span(visible), infrared)


def blank_or_unlit_camera(visible: UInt8Array, infrared: RawInfrared) -> str:
    """The same, where a visible image that is dark all over shows none, whatever noise is in it.

    That is a fault of the camera if it lasts, but no reason to give up what a stream has shown:
    lights go out and on again.

    Args:
        visible: ``(H, W, 3) uint8``.
        infrared: ``(h, w) uint8 or uint16``, raw counts.

    Returns:
        ``visible`` or ``infrared``; empty if both show a picture.
    """
    span = _visible_span(visible)
    return "visible" if span[1] < BLACK else _blank_of(span, infrared)


def _visible_span(visible: UInt8Array) -> tuple[float, float]:
    low, high = quantiles(visible[::16, ::16].reshape(-1), *EXTREMES)
    return low, high


def _blank_of(span: tuple[float, float], infrared: RawInfrared) -> str:
    if span[1] - span[0] < FLAT:
        return "visible"
    low, high = quantiles(infrared[::8, ::8].reshape(-1), *EXTREMES)
    return "infrared" if high - low < FLAT_COUNTS else ""
