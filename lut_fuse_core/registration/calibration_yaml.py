"""The YAML of calibration files; a file of its own, as few need it and YAML takes long to load."""

from __future__ import annotations

import re
from typing import Any

import yaml

from lut_fuse_core.io.unique_keys import UniqueKeyLoader


class CalibrationLoader(UniqueKeyLoader):
    """YAML with OpenCV's matrices, and numbers like 1e-05, which YAML 1.1 takes for words."""


def _opencv_matrix(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


for _tag in ("opencv-matrix", "opencv-nd-matrix"):
    CalibrationLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _opencv_matrix)
CalibrationLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
