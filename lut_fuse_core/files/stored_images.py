"""Visible images in the form in which files store them, where that can be fused.

A JPEG holds luma and chroma, and the fusion changes luma alone: from JPEG to JPEG neither becomes
RGB in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lut_fuse_core.arrays import AnyInfrared, UInt8Array, gray_view
from lut_fuse_core.io.image_files import read_visible, read_visible_as_stored
from lut_fuse_core.io.jpeg import JpegPlanes
from lut_fuse_core.pipeline.pipeline import FusionPipeline

VisibleImage = UInt8Array | JpegPlanes
"""``(H, W, 3) uint8``, RGB, or planes."""


def visible_reader(pipeline: FusionPipeline, suffix: str) -> Callable[[Path], VisibleImage]:
    """What reads visible images for a pipeline and a format.

    Args:
        pipeline: Will fuse them, see `fuse_stored`.
        suffix: Of the images to write, such as ``.jpg``.

    Returns:
        `read_visible`, or, if the result can be encoded from planes, `read_visible_as_stored`.
    """
    is_jpeg = suffix.lower() in (".jpg", ".jpeg")
    if is_jpeg and pipeline.fuser.model.sees_luma_only:
        return read_visible_as_stored
    return read_visible


def fuse_stored(
    pipeline: FusionPipeline, visible: VisibleImage, infrared: AnyInfrared
) -> VisibleImage:
    """Fuse a pair of images without times.

    Args:
        pipeline: The pipeline; for planes one that `visible_reader` was asked for.
        visible: The visible image.
        infrared: ``(h, w)``, raw.

    Returns:
        The fused image, in the form of the visible one.

    Raises:
        InputError: For images that cannot be used.
        BackendUnavailableError: If a backend of the CPU fails.
    """
    if isinstance(visible, JpegPlanes):
        fused = pipeline.process(gray_view(visible.luma), infrared)
        return replace(visible, luma=fused[..., 0])
    return pipeline.process(visible, infrared)
