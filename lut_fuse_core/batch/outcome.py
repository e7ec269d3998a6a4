"""What became of one input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["fused", "partly", "failed"]

METRICS = {
    "EN": "entropy of the gray levels, bits",
    "SD": "standard deviation of the gray levels",
    "AG": "average gradient",
    "luma": "mean gray level",
}
"""The metrics of sampled images, with what they mean."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        state: ``fused``; ``partly`` where some of the input could not be used; ``failed``.
        pairs: Number of pairs that were fused and written.
        seconds: Duration in seconds.
        error: Why it failed, or what of the input was not used; empty otherwise.
        passing: Whether a failure may pass (a full disk, a killed process); bad input stays bad.
        digest: BLAKE2b hash of the input's content; empty if it could not be read to its end.
        metrics: Means over the sampled images by name, see `METRICS`.
        files: Sizes of the files of the output, see `sizes_of`; empty if it failed.
        thumbnail: Visible, infrared and fused image of a sample side by side, as JPEG; empty
            without any.
    """

    state: State
    pairs: int = 0
    seconds: float = 0.0
    error: str = ""
    passing: bool = False
    digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    thumbnail: bytes = b""
