"""Quality of service as recorders write it: kept as it is, and parsed where it is complete."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lut_fuse_core.bag.block_yaml import as_yaml

_NAMES: dict[str, tuple[str, ...]] = {
    "history": ("system_default", "keep_last", "keep_all", "unknown"),
    "reliability": (*("system_default", "reliable", "best_effort", "unknown", "best_available"),),
    "durability": (
        *("system_default", "transient_local", "volatile", "unknown", "best_available"),
    ),
    "liveliness": (
        *("system_default", "automatic", "manual_by_node", "manual_by_topic", "unknown"),
        "best_available",
    ),
}
"""Names of the values of rmw's enumerations, in the order of their numbers."""

Profile = dict[str, Any]


def profiles(text: str) -> list[Profile]:
    """Parse the profiles in a recorder's text.

    Args:
        text: YAML with numbers or names.

    Returns:
        The profiles, values by name; none unless all are complete: ROS accepts no others.
    """
    try:
        found = _loaded(text) if text else None
    except (YAMLError, ValueError, RecursionError):
        return []
    if not isinstance(found, list):
        return []
    try:
        return [_complete(each) for each in found]
    except (KeyError, TypeError, ValueError, IndexError):
        return []


@lru_cache
def numbered_text(text: str) -> str:
    """The profiles in a recorder's text as bags before version 9 have them, with numbers.

    Args:
        text: YAML with numbers or names.

    Returns:
        YAML; empty unless all profiles are complete.
    """
    numbered = [
        {key: _NAMES[key].index(value) if key in _NAMES else value for key, value in each.items()}
        for each in profiles(text)
    ]
    return as_yaml(numbered).strip() if numbered else ""


def complete_text(text: str) -> str:
    """The text if ROS accepts it, else an empty one.

    Args:
        text: As a recorder wrote it.
    """
    return text if profiles(text) else ""


@lru_cache
def _loaded(text: str) -> Any:
    # Slow, and most topics have one of a few texts.
    return YAML(typ="safe").load(text)


def _complete(profile: Profile) -> Profile:
    named: Profile = {
        "history": _named("history", profile),
        "depth": int(profile["depth"]),
        "reliability": _named("reliability", profile),
        "durability": _named("durability", profile),
    }
    for key in ("deadline", "lifespan"):
        named[key] = _time(profile[key])
    named["liveliness"] = _named("liveliness", profile)
    named["liveliness_lease_duration"] = _time(profile["liveliness_lease_duration"])
    named["avoid_ros_namespace_conventions"] = bool(profile["avoid_ros_namespace_conventions"])
    return named


def _named(key: str, profile: Profile) -> str:
    value = profile[key]
    if isinstance(value, int):
        return _NAMES[key][value]
    return _NAMES[key][_NAMES[key].index(str(value).lower())]


def _time(value: Any) -> dict[str, int]:
    return {"sec": int(value["sec"]), "nsec": int(value["nsec"])}
