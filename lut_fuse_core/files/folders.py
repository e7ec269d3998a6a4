"""Fuses two folders of images, several pairs at a time; the order is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.files.stored_images import VisibleImage, fuse_stored, visible_reader
from lut_fuse_core.io.image_files import (
    image_files,
    infrared_files,
    read_infrared,
    write_image,
)
from lut_fuse_core.parallel import ordered_map
from lut_fuse_core.pipeline.pipeline import FusionPipeline


@dataclass(frozen=True)
class FolderOptions:
    """How folders are read and written.

    Attributes:
        sequence: Whether they hold the frames of one recording in order, so that the infrared
            normalization carries over from pair to pair.
        suffix: Suffix of the images to write, such as ``.png``.
    """

    sequence: bool = False
    suffix: str = ".png"


DEFAULT_OPTIONS = FolderOptions()

AT_ONCE = 4
"""Pairs that one thread is given."""


class _Read(NamedTuple):
    """A pair as read, or why it cannot be."""

    stem: str
    pair: tuple[VisibleImage, AnyInfrared] | InputError


class _Fused(NamedTuple):
    """A fused image, or why there is none."""

    stem: str
    image: VisibleImage | InputError


class _Written(NamedTuple):
    """Why a pair was not fused and written, None if it was, and what else there is to say of it."""

    stem: str
    error: InputError | None
    notes: tuple[str, ...]


def fuse_folders(
    visible: Path,
    infrared: Path,
    output: Path,
    pipeline: FusionPipeline,
    options: FolderOptions,
    progress: Progress | None = None,
    others: Sequence[FusionPipeline] = (),
) -> FilesReport:
    """Fuse two folders of images, matched by stem.

    Args:
        visible: Folder of color images.
        infrared: Folder of infrared images or files of thermal cameras.
        output: Folder to write to; made where it is missing.
        pipeline: Fuses the pairs.
        options: How to read and write them.
        progress: Called with the number of pairs done so far and of all; None for nothing.
        others: Further pipelines with the same settings, to fuse as many pairs at a time; not of a
            sequence.

    Returns:
        The report, with the pairs that cannot be fused and why.

    Raises:
        InputError: If there are no pairs, or the output is a file.
        OSError: If a folder cannot be read, or an image cannot be written.
    """
    ours, theirs = image_files(visible), infrared_files(infrared)
    stems = [stem for stem in ours if stem in theirs]
    if not stems:
        raise InputError(
            f"no image in {visible} ({len(ours)} images) has the same name, without its suffix, "
            f"as one in {infrared} ({len(theirs)} images)"
        )
    if output.is_file():
        raise InputError(f"{output} is a file; for folders the output must be a folder")
    read_visible = visible_reader(pipeline, options.suffix)

    def read(stem: str) -> _Read:
        try:
            return _Read(stem, (read_visible(only(ours[stem])), read_infrared(only(theirs[stem]))))
        except InputError as error:
            return _Read(stem, error)

    write = partial(_write, output, options.suffix)
    if others and not options.sequence:
        done = _side_by_side(stems, read, write, [pipeline, *others])
    else:
        done = _in_turn(stems, read, write, pipeline, options.sequence)
    failed: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    for number, written in enumerate(done, start=1):
        notes = written.notes
        if written.error is not None:
            failed[written.stem] = str(written.error)
        if progress is not None:
            progress(number, len(stems))
    return FilesReport(
        "folder",
        str(output),
        len(stems) - len(failed),
        failed,
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(theirs.keys() - ours.keys())),
        notes=notes,
    )


def _in_turn(
    stems: Iterable[str],
    read: Callable[[str], _Read],
    write: Callable[[_Fused], InputError | None],
    pipeline: FusionPipeline,
    sequence: bool,
) -> Iterator[_Written]:
    """Read and write several pairs at a time; fuse them one after the other."""

    def fused() -> Iterator[_Fused]:
        for pair in ordered_map(read, stems):
            if not sequence:
                pipeline.reset()
            yield _fuse(pair, pipeline)

    def written(image: _Fused) -> tuple[str, InputError | None]:
        return image.stem, write(image)

    for stem, error in ordered_map(written, fused()):
        yield _Written(stem, error, pipeline.status.notes)


def _side_by_side(
    stems: Sequence[str],
    read: Callable[[str], _Read],
    write: Callable[[_Fused], InputError | None],
    pipelines: Sequence[FusionPipeline],
) -> Iterator[_Written]:
    """Read, fuse and write each pair in one thread, in whose caches it stays.

    A thread is given several pairs at once: handing one over takes it a twentieth of a millisecond.
    """
    idle: SimpleQueue[FusionPipeline] = SimpleQueue()
    for pipeline in pipelines:
        idle.put(pipeline)

    def fuse(some: Sequence[str]) -> list[_Written]:
        pipeline = idle.get()
        done = []
        try:
            for stem in some:
                pipeline.reset()
                error = write(_fuse(read(stem), pipeline))
                done.append(_Written(stem, error, pipeline.status.notes))
        finally:
            idle.put(pipeline)
        return done

    several = (stems[at : at + AT_ONCE] for at in range(0, len(stems), AT_ONCE))
    for done in ordered_map(fuse, several, workers=len(pipelines)):
        yield from done


def _fuse(read: _Read, pipeline: FusionPipeline) -> _Fused:
    if isinstance(read.pair, InputError):
        return _Fused(read.stem, read.pair)
    try:
        return _Fused(read.stem, fuse_stored(pipeline, *read.pair))
    except InputError as error:
        return _Fused(read.stem, error)


def _write(folder: Path, suffix: str, fused: _Fused) -> InputError | None:
    if isinstance(fused.image, InputError):
        return fused.image
    try:
        write_image(folder / f"{fused.stem}{suffix}", fused.image)
    except InputError as error:
        return error
    return None


def only(paths: list[Path]) -> Path:
    """The one file of a stem.

    Args:
        paths: Files of one folder and stem, at least one.

    Raises:
        InputError: If there are several: which one is meant cannot be known.
    """
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise InputError(
            f"{names} in {paths[0].parent} have the same name but for the suffix; keep one"
        )
    return paths[0]
