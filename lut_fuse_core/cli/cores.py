"""How the cores are shared where reading, fusing and writing run side by side."""

from __future__ import annotations

from dataclasses import replace

import cv2

from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline

SHARE = 4
"""One core in so many fuses, at least one: the codecs keep the others busy."""


def pipeline_beside_codecs(config: PipelineConfig) -> FusionPipeline:
    """A pipeline that leaves cores to those who read and write, unless threads are asked for.

    OpenCV works in the threads that call it from then on: its own would only take turns with them.
    The backend `cpu` is left all cores, as it takes longer than all the rest.

    Args:
        config: Of the pipeline.
    """
    threads = config.threads or max(1, usable_cores() // SHARE)
    pipeline = FusionPipeline(replace(config, threads=threads))
    if pipeline.fuser.backend.name == "cpu":
        return pipeline if threads == config.threads else FusionPipeline(config)
    cv2.setNumThreads(1)
    return pipeline
