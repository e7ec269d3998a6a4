"""Fuses two folders of images; reading, fusing and writing overlap, and the order is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.io.image_files import (
    image_files,
    infrared_files,
    read_infrared,
    read_visible,
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


class _Read(NamedTuple):
    """A pair as read, or why it cannot be."""

    stem: str
    pair: tuple[UInt8Array, AnyInfrared] | InputError


class _Fused(NamedTuple):
    """A fused image, or why there is none."""

    stem: str
    image: UInt8Array | InputError


def fuse_folders(
    visible: Path,
    infrared: Path,
    output: Path,
    pipeline: FusionPipeline,
    options: FolderOptions,
    progress: Progress | None = None,
) -> FilesReport:
    """Fuse two folders of images, matched by stem.

    Args:
        visible: Folder of color images.
        infrared: Folder of infrared images or files of thermal cameras.
        output: Folder to write to; made where it is missing.
        pipeline: Fuses the pairs.
        options: How to read and write them.
        progress: Called with the number of pairs done so far and of all; None for nothing.

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
    pairs = ordered_map(lambda stem: _read(stem, ours[stem], theirs[stem]), stems)
    fused = _fused(pairs, pipeline, options.sequence)
    failed = {}
    for number, done in enumerate(
        ordered_map(partial(_write, output, options.suffix), fused), start=1
    ):
        if isinstance(done.image, InputError):
            failed[done.stem] = str(done.image)
        if progress is not None:
            progress(number, len(stems))
    return FilesReport(
        "folder",
        str(output),
        len(stems) - len(failed),
        failed,
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(theirs.keys() - ours.keys())),
        notes=pipeline.status.notes,
    )


def _read(stem: str, visible: list[Path], infrared: list[Path]) -> _Read:
    try:
        return _Read(stem, (read_visible(only(visible)), read_infrared(only(infrared))))
    except InputError as error:
        return _Read(stem, error)


def _fused(pairs: Iterator[_Read], pipeline: FusionPipeline, sequence: bool) -> Iterator[_Fused]:
    for stem, pair in pairs:
        if not sequence:
            pipeline.reset()
        try:
            image = pair if isinstance(pair, InputError) else pipeline.process(*pair)
        except InputError as error:
            image = error
        yield _Fused(stem, image)


def _write(folder: Path, suffix: str, fused: _Fused) -> _Fused:
    if isinstance(fused.image, InputError):
        return fused
    try:
        write_image(folder / f"{fused.stem}{suffix}", fused.image)
    except InputError as error:
        return _Fused(fused.stem, error)
    return fused


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
