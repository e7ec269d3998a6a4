"""Fuses image files, folders of images and videos."""

from __future__ import annotations

from pathlib import Path

from lut_fuse_core.errors import InputError
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.files.videos import fuse_videos
from lut_fuse_core.io.image_files import (
    image_files,
    infrared_files,
    read_infrared,
    read_visible,
    write_image,
)
from lut_fuse_core.io.video_reader import VIDEO_SUFFIXES
from lut_fuse_core.pipeline.pipeline import FusionPipeline


def fuse_files(
    visible: Path,
    infrared: Path,
    output: Path,
    pipeline: FusionPipeline,
    *,
    sequence: bool = False,
    suffix: str = ".png",
    progress: Progress | None = None,
) -> FilesReport:
    """Fuse two images, two folders (matched by stem) or two videos (matched by time).

    output: a file, or a folder for folders. sequence: the folders hold the frames of one recording
    in order, so that the infrared normalization may carry over; otherwise each pair stands alone.
    suffix: of the images written to a folder. progress: called with pairs done and their number.

    Raises InputError for unusable input; in a folder bad pairs are reported instead.
    """
    for path in (visible, infrared):
        if not path.exists():
            raise InputError(f"there is no file or folder {path}")
    if visible.is_dir() != infrared.is_dir():
        raise InputError(f"{visible} and {infrared} must be two files or two folders")
    _keep_apart(output, visible, infrared)
    if visible.is_dir():
        return _fuse_folders(visible, infrared, output, pipeline, sequence, suffix, progress)
    videos = [path.suffix.lower() in VIDEO_SUFFIXES for path in (visible, infrared)]
    if any(videos) and not all(videos):
        raise InputError(f"{visible} and {infrared} must be two images or two videos")
    if all(videos):
        target = output / f"{visible.stem}.mp4" if output.is_dir() else output
        _keep_apart(target, visible, infrared)
        return fuse_videos(visible, infrared, target, pipeline, progress)
    target = output / f"{visible.stem}{suffix}" if output.is_dir() else output
    _keep_apart(target, visible, infrared)
    write_image(target, pipeline.process(read_visible(visible), read_infrared(infrared)))
    return FilesReport("image", str(target), 1)


def _keep_apart(output: Path, *inputs: Path) -> None:
    if output.exists() and any(output.resolve() == path.resolve() for path in inputs):
        raise InputError(f"{output} is an input; choose another output")


def _fuse_folders(
    visible: Path,
    infrared: Path,
    output: Path,
    pipeline: FusionPipeline,
    sequence: bool,
    suffix: str,
    progress: Progress | None,
) -> FilesReport:
    ours, theirs = image_files(visible), infrared_files(infrared)
    stems = [stem for stem in ours if stem in theirs]
    if not stems:
        raise InputError(
            f"no image in {visible} ({len(ours)} images) has the same name, without its suffix, "
            f"as one in {infrared} ({len(theirs)} images)"
        )
    if output.is_file():
        raise InputError(f"{output} is a file; for folders the output must be a folder")
    failed = {}
    for number, stem in enumerate(stems, start=1):
        if not sequence:
            pipeline.reset()
        try:
            pair = _only(ours[stem]), _only(theirs[stem])
            image = pipeline.process(read_visible(pair[0]), read_infrared(pair[1]))
            write_image(output / f"{stem}{suffix}", image)
        except InputError as error:
            failed[stem] = str(error)
        if progress is not None:
            progress(number, len(stems))
    return FilesReport(
        "folder",
        str(output),
        len(stems) - len(failed),
        failed,
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(theirs.keys() - ours.keys())),
    )


def _only(paths: list[Path]) -> Path:
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise InputError(f"{names} in {paths[0].parent} have the same name but for the suffix")
    return paths[0]
