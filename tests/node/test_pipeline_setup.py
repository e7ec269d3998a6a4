"""What the parameters make of the pipeline."""

from pathlib import Path

import pytest

from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.file import save_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig
from lut_fuse_ros.parameters.node_parameters import NodeParameters
from lut_fuse_ros.pipeline_setup import apply_changes, make_pipeline, warm_up

CPU = NodeParameters().updated({"backend": "cpu"})


def test_the_wishes_for_the_gpu_reach_the_backends():
    wishes = CPU.updated({"gpu.precision": "fp32", "gpu.cache": "~/engines"})
    pipeline, _ = make_pipeline(wishes)
    assert pipeline.config.gpu == GpuOptions("fp32", "~/engines")
    assert pipeline.config.gpu.folder == Path.home() / "engines"


def test_without_wishes_the_backends_decide():
    pipeline, _ = make_pipeline(CPU)
    assert pipeline.config.gpu == DEFAULT_OPTIONS


def test_how_slowly_the_light_is_followed_may_change_while_the_node_runs():
    slow, slower = (CPU.updated({"ambient_seconds": seconds}) for seconds in (1.0, 5.0))
    pipeline, _ = make_pipeline(slow)
    assert pipeline.config.ambient_seconds == 1.0
    apply_changes(pipeline, slower)
    assert pipeline.config.ambient_seconds == 5.0
    assert make_pipeline(CPU)[0].config.ambient_seconds == PipelineConfig.ambient_seconds


@pytest.mark.parametrize("sizes", [((640, 512), (1280, 720)), ((64, 48), (96, 54)), (None, None)])
def test_a_registration_for_cameras_of_any_shape_is_warmed_up_with(sizes, tmp_path):
    identity = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    save_registration(tmp_path / "rig.yaml", Homography(identity, *sizes))
    warm_up(make_pipeline(registered(tmp_path / "rig.yaml"))[0])


def test_a_calibrated_rig_of_two_shapes_is_warmed_up_with(tmp_path):
    cameras = (
        CameraModel(width, height, ((500.0, 0.0, width / 2), (0.0, 500.0, height / 2), (0, 0, 1)))
        for width, height in ((320, 180), (160, 128))
    )
    save_registration(tmp_path / "rig.yaml", CameraRig(*cameras))
    warm_up(make_pipeline(registered(tmp_path / "rig.yaml"))[0])


def registered(path: Path) -> NodeParameters:
    return CPU.updated({"registration.source": "file", "registration.file": str(path)})
