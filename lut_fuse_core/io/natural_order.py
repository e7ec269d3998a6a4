"""The order people number files in: frame_10 comes after frame_9."""

from __future__ import annotations

import re
from pathlib import Path


def natural(path: Path) -> list[int | str]:
    """Sorting key of a path, by its name."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
