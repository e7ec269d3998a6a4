"""The published set of fusion metrics, in the conventions that published tables use.

All of them compare 8-bit gray images; infrared is image A, visible image B. Higher is better in
every one of them, which says nothing about a single metric's merit: entropy and gradients reward
noise, mutual information rewards copying pixels. Read them together, and look at the images.
"""

from lut_fuse_core.evaluation.metrics.pair import (
    METRIC_MEANINGS,
    METRIC_NAMES,
    MINIMUM_SIDE,
    PairEvaluator,
    evaluate_pair,
    gray_levels,
)
from lut_fuse_core.evaluation.metrics.rules import BASELINES, average_rule, maximum_rule

__all__ = [
    "BASELINES",
    "METRIC_MEANINGS",
    "METRIC_NAMES",
    "MINIMUM_SIDE",
    "PairEvaluator",
    "average_rule",
    "evaluate_pair",
    "gray_levels",
    "maximum_rule",
]
