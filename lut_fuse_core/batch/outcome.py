"""What became of one input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["fused", "partly", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        state: ``fused``; ``partly`` where some of the input could not be used; ``failed``.
        pairs: Fused and written.
        seconds: It took.
        error: One sentence: why it failed, or what of the input was not used; empty otherwise.
        passing: Whether a failure may pass (a full disk, a process that was killed); bad input
            stays bad.
        digest: Hash of the input's content; empty if it was not read to its end.
        metrics: Of the fused images that were sampled, by name.
        thumbnail: A sampled pair and its fused image side by side, as JPEG; empty without any.
    """

    state: State
    pairs: int = 0
    seconds: float = 0.0
    error: str = ""
    passing: bool = False
    digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    thumbnail: bytes = b""
