"""Model files that are not as they were written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from lut_fuse_core.model.file import HEADER_KEY, tensor_hash


def rewrite(
    path: Path,
    tensors: Callable[[dict[str, Any]], None] = lambda tensors: None,
    header: Callable[[dict[str, Any]], None] = lambda header: None,
    rehash: bool = True,
) -> None:
    """Change a model file's contents, keeping it a valid safetensors file."""
    contents = load_file(path)
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()[HEADER_KEY])
    tensors(contents)
    if rehash:
        facts["sha256"] = tensor_hash(contents)
    header(facts)
    save_file(contents, path, metadata={HEADER_KEY: json.dumps(facts)})
