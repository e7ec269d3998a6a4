"""Fuses image files, folders of images and videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.folders import DEFAULT_OPTIONS, FolderOptions, fuse_folders
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.files.stored_images import fuse_stored, visible_reader
from lut_fuse_core.io.image_files import read_infrared, write_image
from lut_fuse_core.io.thermal.sequence import SEQUENCE_SUFFIXES
from lut_fuse_core.io.video_reader import VIDEO_SUFFIXES
from lut_fuse_core.pipeline.pipeline import FusionPipeline


def fuse_files(
    visible: Path,
    infrared: Path,
    output: Path,
    pipeline: FusionPipeline,
    options: FolderOptions = DEFAULT_OPTIONS,
    progress: Progress | None = None,
    others: Sequence[FusionPipeline] = (),
) -> FilesReport:
    """Fuse two images, two folders (matched by stem) or two videos (matched by time).

    Args:
        visible: Color image, folder of color images, or video.
        infrared: The same of infrared; also a thermal camera's file or recording.
        output: File to write, or an existing folder to write it to; for folders a folder.
        pipeline: Fuses the pairs.
        options: How folders are read and written; also the suffix of an image in a folder.
        progress: Called with the number of pairs done so far and of all; None for nothing.
        others: Further pipelines for folders, see `fuse_folders`.

    Returns:
        The report.

    Raises:
        InputError: For input that cannot be used, or an output that would replace it; in folders,
            pairs that cannot be used are reported instead.
        LutFuseError: If a video cannot be written, or PyAV is not installed.
        ModuleNotFoundError: If the reader of a kind of file is not installed.
        OSError: If the output cannot be written.
    """
    for path in (visible, infrared):
        if not path.exists():
            raise InputError(f"there is no file or folder {path}")
    if visible.is_dir() != infrared.is_dir():
        raise InputError(f"{visible} and {infrared} must be two files or two folders")
    keep_apart(output, [visible, infrared])
    if visible.is_dir():
        return fuse_folders(visible, infrared, output, pipeline, options, progress, others)
    videos = [path.suffix.lower() in VIDEO_SUFFIXES for path in (visible, infrared)]
    videos[1] |= videos[0] and infrared.suffix.lower() in SEQUENCE_SUFFIXES
    if any(videos) and not all(videos):
        raise InputError(f"{visible} and {infrared} must be two images or two videos")
    if all(videos):
        target = output / f"{visible.stem}.mp4" if output.is_dir() else output
        keep_apart(target, [visible, infrared])
        from lut_fuse_core.files.videos import fuse_videos  # and with it, what images need not

        return fuse_videos(visible, infrared, target, pipeline, progress)
    target = output / f"{visible.stem}{options.suffix}" if output.is_dir() else output
    keep_apart(target, [visible, infrared])
    read_visible = visible_reader(pipeline, target.suffix)
    write_image(target, fuse_stored(pipeline, read_visible(visible), read_infrared(infrared)))
    return FilesReport("image", str(target), 1, notes=pipeline.status.notes)
