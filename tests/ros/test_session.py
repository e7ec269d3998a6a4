"""What a calibration found is in use at once, whatever state the node is in when it ends."""

from types import SimpleNamespace

from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography
from lut_fuse_ros.parameters.node_parameters import NodeParameters
from lut_fuse_ros.session import Session


def test_a_calibration_that_ends_while_the_node_is_inactive_is_in_use_when_it_is_active_again():
    pipeline = FusionPipeline(PipelineConfig(backend="cpu"))
    session = Session(NodeParameters(), configured=SimpleNamespace(pipeline=pipeline))
    found = Homography(((1.0, 0.0, 3.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    session.use(found)
    assert pipeline.config.registration.transform == found
