"""How a bag is fused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lut_fuse_core.errors import InputError
from lut_fuse_core.settings import check_settings, setting
from lut_fuse_core.sync.stamps import StampSource

Storage = Literal["mcap", "sqlite3"]

TOPIC_NAME = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")


@dataclass(frozen=True)
class BagOptions:
    """Settings of how a bag is fused.

    Raises:
        InputError: For values that cannot be used, alone or together.
    """

    visible: str | None = setting(None, "Topic of the visible images; by default recognized.")
    infrared: str | None = setting(None, "Topic of the infrared images; by default recognized.")
    fused: str = setting(
        "/fused/image", "Topic of the raw fused images; camera_info goes beside it."
    )
    tolerance: float = setting(
        0.03,
        "Largest difference between the stamps of a pair.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    reuse_infrared: bool = setting(
        False, "Let one infrared image serve several visible ones (cameras of different rates)."
    )
    max_infrared_age: float | None = setting(
        None,
        "Largest difference in time between a visible image and a reused infrared one "
        "(--reuse-infrared); by default the tolerance.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    stamps: StampSource = setting(
        "header",
        "Pair images by the stamps in their 'header', or by their 'arrival' at the recorder, for "
        "cameras whose stamps are of no use.",
    )
    copy: bool = setting(True, "Copy all other topics, attachments and metadata.")
    storage: Storage | None = setting(None, "Storage of the new bag; by default that of the input.")
    output: Literal["raw", "jpeg", "png"] = setting(
        "raw", "Write raw images, or compressed ones on <topic>/compressed."
    )
    encoding: Literal["rgb8", "bgr8"] = setting("rgb8", "Encoding of raw fused images.")
    overwrite: bool = setting(False, "Replace the new bag if it exists.")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.max_infrared_age is not None and not self.reuse_infrared:
            raise InputError(
                "an age of infrared images matters only where they are reused; add --reuse-infrared"
            )
        if not TOPIC_NAME.fullmatch(self.fused):
            raise InputError(f"'{self.fused}' is no topic name; write it like /fused/image")

    @property
    def reach(self) -> float:
        """Seconds by which the stamps of images that are fused may differ."""
        return self.tolerance if self.max_infrared_age is None else self.max_infrared_age
