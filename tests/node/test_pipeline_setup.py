"""What the parameters make of the pipeline."""

from pathlib import Path

from lut_fuse_core.backends.gpu_options import DEFAULT_OPTIONS, GpuOptions
from lut_fuse_ros.parameters import NodeParameters
from lut_fuse_ros.pipeline_setup import make_pipeline

CPU = NodeParameters().updated({"backend": "cpu"})


def test_the_wishes_for_the_gpu_reach_the_backends():
    wishes = CPU.updated({"gpu.precision": "fp32", "gpu.cache": "~/engines"})
    pipeline, _ = make_pipeline(wishes)
    assert pipeline.config.gpu == GpuOptions("fp32", Path.home() / "engines")


def test_without_wishes_the_backends_decide():
    pipeline, _ = make_pipeline(CPU)
    assert pipeline.config.gpu == DEFAULT_OPTIONS
