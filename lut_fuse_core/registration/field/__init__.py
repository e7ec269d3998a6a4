"""Registration that follows depth: a displacement for every cell of a coarse grid."""

from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.estimator import FieldEstimator
from lut_fuse_core.registration.field.follower import DepthFollower, DepthStatus

__all__ = ["DepthFollower", "DepthStatus", "DisplacementField", "FieldEstimator"]
