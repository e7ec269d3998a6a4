"""Calibration files as plain dictionaries and lists: JSON, YAML, and OpenCV's YAML and XML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_BYTES = 1 << 24
"""Of a calibration file; larger ones are something else."""

_OPENCV_HEAD = re.compile(r"^%YAML[: ]1\.\d\s*\n(---\s*\n)?")
_PARAMETERS = "ros__parameters"


def read_document(path: Path) -> Any:
    """What a file holds, as a dictionary or list.

    Args:
        path: Of a JSON, YAML or XML file, or ROS's INI file (``ost.txt``); of several documents in
            YAML (`ros2 topic echo`) the first.

    Returns:
        The content; of `ros2 param dump` what is below ``ros__parameters``.

    Raises:
        InputError: If it cannot be read, is none of these, or has a key twice.
    """
    text = _text(path)
    if text.lstrip().startswith("<?xml"):
        data = _xml(text, path)
    elif re.search(r"^\[image\]$", text, re.MULTILINE):
        data = _ost(text)
    else:
        try:
            data = json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError):
            data = _yaml(text, path)  # which also says what is wrong with it, and in which line
    if not isinstance(data, Mapping | list):
        raise InputError(f"{path} holds no calibration")
    return _below_parameters(data)


def numbers(value: Any) -> Float64Array:
    """Numbers as calibration files have them.

    Args:
        value: A list, nested or not; a matrix of OpenCV or ROS (``data``); or x, y, z and w.

    Returns:
        ``(n,) float64``.

    Raises:
        ValueError, TypeError: For anything else.
    """
    if isinstance(value, Mapping):
        if "data" in value:
            value = value["data"]
        else:
            value = [value[name] for name in ("x", "y", "z", "w") if name in value]
    array = np.asarray(value, np.float64).ravel()
    if not array.size:
        raise ValueError("there are no numbers")
    return array


def _unique(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError if a key is there twice, of which JSON takes the last."""
    found = dict(entries)
    if len(found) != len(entries):
        raise ValueError("a key is there twice")
    return found


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is too large for a calibration file")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"cannot read {path}: {reason}") from None


def _yaml(text: str, path: Path) -> Any:
    import yaml

    from lut_fuse_core.registration.calibration_yaml import CalibrationLoader

    text = _OPENCV_HEAD.sub("", text).replace("\t", " ")
    try:
        # The safe loader's own class with two more types: no Python objects.
        documents = yaml.load_all(text, CalibrationLoader)
        return next((document for document in documents if document is not None), None)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = (str(error).splitlines() or ["it cannot be parsed"])[0]
        raise InputError(f"{path} is neither JSON nor YAML: {reason}") from None


def _ost(text: str) -> Any:
    """The INI layout of ROS's camera_calibration: a name on a line, its numbers below."""
    found: dict[str, list[float]] = {}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            found.setdefault(name, []).extend(map(float, line.split()))
        except ValueError:
            name = line.lower()
    named = {"width": "image_width", "height": "image_height"}
    return {
        **{other: found[each][0] for each, other in named.items() if each in found},
        "camera_matrix": found.get("camera matrix"),
        "distortion_coefficients": found.get("distortion"),
        "distortion_model": "plumb_bob",
    }


def _xml(text: str, path: Path) -> Any:
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path} is no XML of OpenCV: {error}") from None
    if root.tag != "opencv_storage":
        raise InputError(f"{path} is no XML of OpenCV: it begins with <{root.tag}>")
    return {element.tag: _xml_value(element) for element in root}


def _xml_value(element: Element) -> Any:
    if len(element):
        return {child.tag: _xml_value(child) for child in element}
    words = (element.text or "").split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        return (element.text or "").strip().strip('"')
    return values[0] if len(values) == 1 and element.tag != "data" else values


def _below_parameters(data: Any, depth: int = 6) -> Any:
    """What `ros2 param dump` has below the names of nodes."""
    if not isinstance(data, Mapping) or not depth:
        return data
    if isinstance(data.get(_PARAMETERS), Mapping):
        return data[_PARAMETERS]
    for value in data.values():
        found = _below_parameters(value, depth - 1)
        if found is not value:
            return found
    return data
