"""Quality of service as recorders write it: kept as it is, and understood where it is complete."""

from __future__ import annotations

from functools import lru_cache
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

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
"""Values by their numbers in rmw's enumerations."""

Profile = dict[str, Any]


def profiles(text: str) -> list[Profile]:
    """The profiles in a recorder's text, values by name; none unless all of them are complete.

    ROS takes profiles only where every policy is there, so that half of one is none.
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
    """The profiles in a text as bags before version 9 have them: numbers, in one string."""
    numbered = [
        {key: _NAMES[key].index(value) if key in _NAMES else value for key, value in each.items()}
        for each in profiles(text)
    ]
    return _dump(numbered) if numbered else ""


def complete_text(text: str) -> str:
    """The text, if ROS can take it; else nothing."""
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


def _dump(content: Any) -> str:
    stream, yaml = StringIO(), YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.dump(content, stream)
    return stream.getvalue().strip()
