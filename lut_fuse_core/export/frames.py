"""Frames as they are exported and shown: visible, infrared and fused on one pixel grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.errors import InputError
from lut_fuse_core.export.recordings import RecordedPair, Selection, recorded_pairs
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.pipeline.config import PipelineConfig, PipelineStatus
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.pipeline.registered_infrared import InfraredFrame, InfraredRegistrar

KINDS = ("fused", "visible", "infrared")


@dataclass(frozen=True, eq=False)
class Frame:
    """A fused pair of a recording.

    Attributes:
        recording: Name of the recording, see `recording_name`.
        stem: Name within the recording.
        time: When the visible camera captured it, seconds; None if unknown.
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(H, W) uint8``: normalized, on the visible pixel grid, 0 outside its view.
        fused: ``(H, W, 3) uint8``, RGB.
        status: Status of the pipeline after this frame.
    """

    recording: str
    stem: str
    time: float | None
    visible: UInt8Array
    infrared: UInt8Array
    fused: UInt8Array
    status: PipelineStatus

    @property
    def name(self) -> str:
        """Its name in a data set of several recordings."""
        return f"{self.recording}_{self.stem}"

    def image(self, kind: str) -> UInt8Array:
        """One of its images.

        Args:
            kind: One of `KINDS`.

        Returns:
            ``(H, W, 3) uint8``, RGB; of ``infrared`` ``(H, W) uint8``.
        """
        return {"fused": self.fused, "visible": self.visible, "infrared": self.infrared}[kind]


def recording_name(source: BatchInput) -> str:
    """The name of a recording, made of its path below the folder that is searched.

    Args:
        source: The recording.

    Returns:
        A name that can be part of a file's name.
    """
    # Of two videos the target ends in .mp4; the points in other names belong to them.
    path = source.target.with_suffix("") if source.kind == "videos" else source.target
    return "_".join(path.parts)


def frames_of(
    source: BatchInput,
    selection: Selection,
    config: PipelineConfig,
    note: Callable[[str], None],
) -> Iterator[Frame]:
    """Fuse the pairs of a recording.

    Args:
        source: The recording.
        selection: What is read of it.
        config: Settings of the pipeline.
        note: Called with a sentence about each thing that cannot be used.

    Yields:
        The pairs with their fused images, and infrared as it was fused.

    Raises:
        InputError: If the recording cannot be read.
    """
    maker = _FrameMaker(source, config)
    for pair in recorded_pairs(source, selection, lambda: maker.pipeline.clock_offset, note):
        try:
            yield maker.frame(pair)
        except InputError as error:
            note(f"{pair.stem}: {error}")


class _FrameMaker:
    def __init__(self, source: BatchInput, config: PipelineConfig) -> None:
        self._recording = recording_name(source)
        self._alone = source.kind == "folders"
        self.pipeline = FusionPipeline(config)
        self._registrar = InfraredRegistrar(
            config.normalization,
            config.registration,
            threads=config.threads or usable_cores(),
            resize=config.resize,
            keep_images=True,
        )

    def frame(self, pair: RecordedPair) -> Frame:
        """Fuse a pair. Raises InputError."""
        if self._alone:
            self.pipeline.reset()
            self._registrar.reset()
        visible, raw = pair.read()
        fused = self.pipeline.process(
            visible, raw, visible_time=pair.visible_time, infrared_time=pair.infrared_time
        )
        if fused is visible:
            raise InputError("its infrared image is too old")
        return Frame(
            self._recording,
            pair.stem,
            pair.visible_time,
            visible,
            self._registered(raw, visible, pair.infrared_time),
            fused,
            self.pipeline.status,
        )

    def _registered(self, raw: AnyInfrared, visible: UInt8Array, time: float | None) -> UInt8Array:
        """Infrared as the pipeline fuses it, ``(H, W) uint8``; 0 outside its view."""
        counts = self._registrar.counts(raw)
        new_picture = self._registrar.look(counts, time)
        registered = self._registrar.register(
            InfraredFrame(counts, new_picture, time), visible, self.pipeline.fuser.backend
        )
        assert registered.image is not None
        image = registered.image.copy()
        if registered.mask is not None:
            image[registered.mask == 0] = 0
        return image
