"""Fuses the infrared image and the photo that one file of a thermal camera holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.errors import InputError
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
    """Fuse what one file holds, or each file of a folder.

    Where the pipeline has no registration, the one that the file describes is used: FLIR's files
    say where the infrared image lies in the photo.

    Args:
        source: A thermal camera's file, or a folder of them.
        output: File to write; a folder for a folder.
        pipeline: Fuses.
        suffix: Of the images written to a folder.
        progress: Told how many files are done, and of how many.

    Returns:
        The report. In a folder, files that cannot be used are in it, and the others are fused.

    Raises:
        InputError: For an unusable file, or output name.
    """
    if not source.is_dir():
        target = output / f"{source.stem}{suffix}" if output.is_dir() else output
        _fuse(source, target, pipeline)
        return FilesReport("image", str(target), 1)
    if output.is_file():
        raise InputError(f"{output} is a file; for a folder the output must be a folder")
    sources = [path for paths in infrared_files(source).values() for path in paths]
    if not sources:
        raise InputError(f"{source} holds no files of thermal cameras")
    failed = {}
    for number, path in enumerate(sources, start=1):
        pipeline.reset()
        try:
            _fuse(path, output / f"{path.stem}{suffix}", pipeline)
        except InputError as error:
            failed[path.name] = str(error)
        if progress is not None:
            progress(number, len(sources))
    return FilesReport("folder", str(output), len(sources) - len(failed), failed)


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
    """Where the infrared image lies in the photo, of an image with a photo and a placement."""
    assert image.visible is not None
    assert image.placement is not None
    (height, width), (rows, columns) = image.infrared.shape, image.visible.shape[:2]
    scale = image.placement.scale
    right = (columns - 1) / 2 + image.placement.right - scale * (width - 1) / 2
    down = (rows - 1) / 2 + image.placement.down - scale * (height - 1) / 2
    matrix = np.array([[scale, 0, right], [0, scale, down], [0, 0, 1]])
    return Homography.from_array(matrix, (width, height), (columns, rows))
