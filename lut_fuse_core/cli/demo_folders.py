"""The demo's street as folders of images, read and written as `lut-fuse fuse` does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.files.folders import FolderOptions, fuse_folders
from lut_fuse_core.io.demo_mark import DEMO_MARK
from lut_fuse_core.io.image_files import image_files, read_infrared, read_visible, write_image
from lut_fuse_core.parallel import ordered_map
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.synthetic import SceneConfig, SceneFrame, StreetScene


class DemoFolders:
    """The street and what was fused of it, pairs by their names.

    Args:
        folder: Where the folder ``pairs`` is, with ``visible``, ``infrared`` (16 bits) and
            ``fused`` in it.

    Attributes:
        input: The folder of the pairs.
        made: All that is written.
        summary: What that is.
    """

    def __init__(self, folder: Path) -> None:
        self.input = folder / "pairs"
        self._visible, self._infrared = self.input / "visible", self.input / "infrared"
        self._fused = self.input / "fused"
        self.made = (self.input,)
        self.summary = f"images in {self.input}"

    def record(self, scene: SceneConfig, frames: int) -> None:
        """Write the street.

        Args:
            scene: The street.
            frames: Number of pairs, at least 1.

        Raises:
            OSError: If it cannot be written.
        """
        for folder in (self._visible, self._infrared, self._fused):
            folder.mkdir(parents=True, exist_ok=True)
            for image in folder.glob(f"{'[0-9]' * 4}.png"):  # of a longer street before
                image.unlink()
        # Before the images, so that what an interrupt leaves is known as the demo's.
        (self.input / DEMO_MARK).touch()
        with progress_bar("recording the street", "frames") as show:
            scenes = enumerate(StreetScene(scene).frames(frames))
            for number in ordered_map(self._write, scenes):
                show(number + 1, frames)

    def _write(self, numbered: tuple[int, SceneFrame]) -> int:
        number, frame = numbered
        name = f"{number:04d}.png"
        write_image(self._visible / name, frame.visible)
        encoded = cv2.imencode(".png", frame.infrared)[1]
        (self._infrared / name).write_bytes(encoded.tobytes())
        return number

    def fuse(self, pipeline: FusionPipeline) -> dict[str, Any]:
        """Fuse the street.

        Args:
            pipeline: Fuses the pairs.

        Returns:
            The report, with ``pairs`` and ``fps``, for `json.dump`.

        Raises:
            OSError: If an image cannot be written.
        """
        start = time.perf_counter()
        options = FolderOptions(sequence=True)
        with progress_bar("fusing the pairs", "pairs") as show:
            report = fuse_folders(
                self._visible, self._infrared, self._fused, pipeline, options, show
            )
        seconds = time.perf_counter() - start
        times = {"seconds": round(seconds, 3), "fps": round(report.pairs / seconds, 2)}
        return report.as_json() | times

    def moments(self) -> Iterator[tuple[UInt8Array, AnyInfrared, UInt8Array]]:
        """Visible, infrared and fused image of each moment, read back."""
        for (fused,) in image_files(self._fused).values():
            yield (
                read_visible(self._visible / fused.name),
                read_infrared(self._infrared / fused.name),
                read_visible(fused),
            )
