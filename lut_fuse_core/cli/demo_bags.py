"""The demo's street as two bags, read and written as `lut-fuse bag` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.bag import BagOptions, fuse_bag
from lut_fuse_core.bag.demo_recording import INFRARED_TOPIC, VISIBLE_TOPIC, record_street
from lut_fuse_core.bag.image_messages import infrared_images, visible_images
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.io.demo_mark import DEMO_MARK
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.synthetic import SceneConfig


class DemoBags:
    """The street and what was fused of it.

    Args:
        folder: Where the bags ``street`` and ``fused`` are.

    Attributes:
        input: The bag of both cameras.
        made: All that is written.
        summary: What that is.
    """

    def __init__(self, folder: Path) -> None:
        self.input, self._fused = folder / "street", folder / "fused"
        self.made = (self.input, self._fused)
        self.summary = f"bags {self.input} and {self._fused}"

    def record(self, scene: SceneConfig, frames: int) -> None:
        """Write the street.

        Args:
            scene: The street.
            frames: Number of pairs, at least 1.

        Raises:
            InputError: If the folder is there already and is no bag.
            OSError: If it cannot be written.
        """
        with progress_bar("recording the street", "frames") as show:
            record_street(self.input, scene, frames, overwrite=True, progress=show)
        (self.input / DEMO_MARK).touch()

    def fuse(self, pipeline: FusionPipeline) -> dict[str, Any]:
        """Fuse the street.

        Args:
            pipeline: Fuses the pairs.

        Returns:
            The report, with ``pairs`` and ``fps``, for `json.dump`.

        Raises:
            InputError: If the folder is there already and is no bag.
            OSError: If it cannot be written.
        """
        with progress_bar("fusing the bag", "messages") as show:
            report = fuse_bag(self.input, self._fused, pipeline, BagOptions(overwrite=True), show)
        (self._fused / DEMO_MARK).touch()
        return report.as_json()

    def moments(self) -> Iterator[tuple[UInt8Array, AnyInfrared, UInt8Array]]:
        """Visible, infrared and fused image of each moment, read back."""
        yield from zip(
            visible_images(self.input, VISIBLE_TOPIC),
            infrared_images(self.input, INFRARED_TOPIC),
            visible_images(self._fused, BagOptions().fused),
            strict=False,
        )
