"""What became of the files that were to be fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Progress = Callable[[int, int], None]
"""Called with how many pairs are done, and of how many."""


@dataclass(frozen=True)
class FilesReport:
    """What became of some files.

    Attributes:
        kind: What they were.
        output: File or folder that was written.
        pairs: Fused and written.
        failed: Name and reason of each pair of a folder that could not be fused.
        unmatched_visible: Stems in the visible folder without a partner.
        unmatched_infrared: Stems in the infrared folder without a partner.
        visible_only: Frames of a video written without infrared: none was near enough in time.
        left: Visible frames after the infrared video ended, not written.
        codec: What the video was encoded in; None for images.
        damaged: What cannot be read of an input video.
        notes: What else is worth knowing of the inputs.
        rate: Frames per second that unevenly spaced frames are written at, where the output's
            format knows no times; None if all frames kept their times.
    """

    kind: Literal["image", "folder", "video"]
    output: str
    pairs: int
    failed: dict[str, str] = field(default_factory=dict)
    unmatched_visible: tuple[str, ...] = ()
    unmatched_infrared: tuple[str, ...] = ()
    visible_only: int = 0
    left: int = 0
    codec: str | None = None
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rate: float | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields, for `json.dump`."""
        return asdict(self)
