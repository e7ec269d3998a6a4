"""From decoded pairs to fused images: what every front-end goes through."""

from lut_fuse_core.pipeline.config import PipelineConfig, PipelineStatus, Source
from lut_fuse_core.pipeline.pipeline import FusionPipeline

__all__ = ["FusionPipeline", "PipelineConfig", "PipelineStatus", "Source"]
