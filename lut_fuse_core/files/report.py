"""What became of the files that were to be fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Progress = Callable[[int, int], None]
"""Called with the number of pairs done so far and of all."""


@dataclass(frozen=True)
class FilesReport:
    """What became of the files.

    Attributes:
        kind: ``image`` for a pair of images, ``folder`` or ``video``.
        output: File or folder that was written.
        pairs: Number of pairs that were fused and written.
        failed: Reasons by stem, or file name, of the pairs of a folder that could not be fused.
        unmatched_visible: Stems in the visible folder without a partner, sorted.
        unmatched_infrared: Stems in the infrared folder without a partner, sorted.
        visible_only: Number of video frames written without infrared: none was near enough in time.
        left: Number of visible frames after the end of the infrared video, which were not written.
        codec: Codec of the written video; None for images.
        damaged: Sentences about what cannot be read of the input videos.
        notes: Sentences about what else the user should know.
        rate: Frames per second at which unevenly spaced frames were written evenly, since the
            format holds no times; None if all frames kept their times.
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
