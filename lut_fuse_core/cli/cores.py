"""How the cores are shared where reading, fusing and writing run side by side."""

from __future__ import annotations

from dataclasses import replace

from lut_fuse_core.fuser import Fuser
from lut_fuse_core.libraries.opencv import use_threads
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
    use_threads(1)
    return pipeline


def pipelines_side_by_side(config: PipelineConfig) -> list[FusionPipeline]:
    """Pipelines of one thread each that fuse pairs without a common time, as many at a time.

    Args:
        config: Of the pipelines; as many as the threads that are asked for, or one for each core.

    Returns:
        At least one; no more where the backend is another than `native`: that has the GPU, or all
        cores.
    """
    # A flat-field correction shows in comparison with the frame before, which no pair has.
    config = replace(config, normalization=replace(config.normalization, shutter=False))
    first = pipeline_beside_codecs(config)
    count = config.threads or usable_cores()
    if first.fuser.backend.name != "native" or count == 1:
        return [first]
    alone, model = replace(config, threads=1), first.fuser.model
    pipelines = [first] if first.config == alone else []
    while len(pipelines) < count:
        pipelines.append(FusionPipeline(alone, Fuser(model, "native", 1)))
    return pipelines
