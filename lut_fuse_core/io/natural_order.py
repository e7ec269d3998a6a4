"""The natural order of file names: frame_10 comes after frame_9."""

from __future__ import annotations

import re
from pathlib import Path


def natural(path: Path) -> list[int | str]:
    """The key that sorts paths by their names, with numbers by their values.

    >>> sorted(map(Path, ["frame_10.png", "frame_9.png"]), key=natural)[0].name
    'frame_9.png'
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
