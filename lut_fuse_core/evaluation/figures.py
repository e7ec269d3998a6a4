"""What the figures of detection and of segmentation have in common."""

from __future__ import annotations

import math

BOOTSTRAP_ROUNDS = 500
"""How often pictures are drawn again, with repeats, for the interval of a figure."""


def percent(value: float) -> str:
    """A figure with one decimal; a dash where there is none."""
    return f"{value:.1f}" if math.isfinite(value) else "-"
