"""What to show where no infrared frame fits a visible one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.config import Source

FallbackPolicy = Literal["visible", "last_infrared", "nothing"]

POLICIES: tuple[FallbackPolicy, ...] = ("visible", "last_infrared", "nothing")


@dataclass(frozen=True)
class Fallback:
    """What a front-end does with a visible image that has no infrared partner.

    Attributes:
        policy: ``visible`` shows it alone; ``last_infrared`` fuses it with the infrared frame
            before, up to `PipelineConfig.max_infrared_age`, and then shows it alone; ``nothing``
            leaves it out.

    Raises:
        InputError: For another policy.
    """

    policy: FallbackPolicy = "visible"

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise InputError(f"fallback policy '{self.policy}' is not one of {', '.join(POLICIES)}")

    @property
    def shows_alone(self) -> bool:
        """Whether a visible image without a partner is worth processing."""
        return self.policy != "nothing"

    @property
    def reuses(self) -> bool:
        """Whether an earlier infrared frame may serve: ``hold`` of `FusionPipeline.process`."""
        return self.policy == "last_infrared"

    def withholds(self, source: Source | None) -> bool:
        """Whether an output must not be shown.

        Args:
            source: Of the output, see `PipelineStatus.source`.
        """
        return source == "visible" and self.policy == "nothing"
