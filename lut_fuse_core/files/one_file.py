"""Fuses the infrared image and the photo that one file of a thermal camera holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.folders import only
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.io.image_files import infrared_files, read_both, write_image
from lut_fuse_core.io.thermal.thermal_image import ThermalImage
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography


def fuse_one_file(
    source: Path,
    output: Path,
    pipeline: FusionPipeline,
    *,
    suffix: str = ".png",
    progress: Progress | None = None,
) -> FilesReport:
    """Fuse the infrared image and the photo of one file, or of each file in a folder.

    Where the pipeline has no registration, that of the file is used: FLIR's files say where the
    infrared image lies in the photo.

    Args:
        source: A thermal camera's file, or a folder of them.
        output: File to write, or an existing folder to write it to; for a folder a folder.
        pipeline: Fuses the pairs; its registration is the same afterwards.
        suffix: Suffix of images that are written to a folder, such as ``.png``.
        progress: Called with the number of files done so far and of all; None for nothing.

    Returns:
        The report; of a folder with the files that cannot be used, by their names.

    Raises:
        InputError: For a file or output that cannot be used, or a folder without such files.
        ModuleNotFoundError: If the reader of a kind of file is not installed.
        OSError: If the output cannot be written.
    """
    if not source.is_dir():
        target = output / f"{source.stem}{suffix}" if output.is_dir() else output
        _fuse(source, target, pipeline)
        return FilesReport("image", str(target), 1, notes=pipeline.status.notes)
    if output.is_file():
        raise InputError(f"{output} is a file; for a folder the output must be a folder")
    sources = infrared_files(source)
    if not sources:
        raise InputError(f"{source} holds no files of thermal cameras")
    failed = {}
    for number, (stem, paths) in enumerate(sources.items(), start=1):
        pipeline.reset()
        try:
            _fuse(only(paths), output / f"{stem}{suffix}", pipeline)
        except InputError as error:
            failed[" and ".join(path.name for path in paths)] = str(error)
        if progress is not None:
            progress(number, len(sources))
    return FilesReport(
        "folder", str(output), len(sources) - len(failed), failed, notes=pipeline.status.notes
    )


def _fuse(source: Path, target: Path, pipeline: FusionPipeline) -> None:
    keep_apart(target, [source])
    both = read_both(source)
    assert both.visible is not None
    given = pipeline.config
    try:
        if given.registration.transform is None and both.placement is not None:
            registration = replace(given.registration, transform=placed(both))
            pipeline.reconfigure(replace(given, registration=registration))
        write_image(target, pipeline.process(both.visible, both.infrared))
    finally:
        pipeline.reconfigure(given)


def placed(image: ThermalImage) -> Homography:
    """The registration that a thermal camera's file describes.

    Args:
        image: One with a photo and a placement.

    Returns:
        From infrared pixels to pixels of the photo.
    """
    assert image.visible is not None
    assert image.placement is not None
    (height, width), (rows, columns) = image.infrared.shape, image.visible.shape[:2]
    scale = image.placement.scale
    right = (columns - 1) / 2 + image.placement.right - scale * (width - 1) / 2
    down = (rows - 1) / 2 + image.placement.down - scale * (height - 1) / 2
    matrix = np.array([[scale, 0, right], [0, scale, down], [0, 0, 1]])
    return Homography.from_array(matrix, (width, height), (columns, rows))
