"""Definitions of message types: ROS's own, those of a bag, and ROS 2's hashes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from lut_fuse_core.bag.channels import Channel
from lut_fuse_core.sync.stamps import NANOSECONDS

_USED = {
    "std_msgs/msg/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "sensor_msgs/msg/RegionOfInterest": "uint32 x_offset\nuint32 y_offset\nuint32 height\n"
    "uint32 width\nbool do_rectify\n",
    "sensor_msgs/msg/Image": "std_msgs/Header header\nuint32 height\nuint32 width\n"
    "string encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data\n",
    "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data\n",
    "sensor_msgs/msg/CameraInfo": "std_msgs/Header header\nuint32 height\nuint32 width\n"
    "string distortion_model\nfloat64[] d\nfloat64[9] k\nfloat64[9] r\nfloat64[12] p\n"
    "uint32 binning_x\nuint32 binning_y\nsensor_msgs/RegionOfInterest roi\n",
}


def _used_types() -> Any:
    store = get_typestore(Stores.EMPTY)
    store.register(
        {name: each for kind, text in _USED.items() for name, each in _types(text, kind)}
    )
    return store


def _types(text: str, kind: str) -> Iterable[tuple[str, Any]]:
    return get_types_from_msg(text, kind).items()


STORE = _used_types()
"""ROS's own message types that are used here, which are the same in all versions of ROS 2. Loading
all of them takes as long as loading OpenCV, and bags bring definitions of theirs."""

_IDL_SEPARATOR = "=" * 80 + "\n"

_FOXGLOVE_DATA = "builtin_interfaces/Time timestamp\nstring frame_id\n"
_OTHERS = {
    "foxglove_msgs/msg/CompressedImage": _FOXGLOVE_DATA + "uint8[] data\nstring format\n",
    "foxglove_msgs/msg/CompressedVideo": _FOXGLOVE_DATA + "uint8[] data\nstring format\n",
    "foxglove_msgs/msg/RawImage": _FOXGLOVE_DATA
    + "uint32 width\nuint32 height\nstring encoding\nuint32 step\nuint8[] data\n",
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": "std_msgs/Header header\nint32 width\n"
    "int32 height\nstring encoding\nuint64 pts\nuint8 flags\nbool is_bigendian\nuint8[] data\n",
}
"""Other types, for bags without definitions (sqlite3, before ROS 2 Iron)."""


def header_of(stamp: int, frame_id: str) -> Any:
    """A `std_msgs/Header`.

    Args:
        stamp: Nanoseconds since 1970, below `LAST_STAMP`.
        frame_id: Frame of the camera.

    Returns:
        The message, of the types in `STORE`.
    """
    time = STORE.types["builtin_interfaces/msg/Time"](
        sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS
    )
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def ros_definition(kind: str) -> bytes:
    """The definition of one of the types in `STORE`, as MCAP and rosbag2 keep it.

    Args:
        kind: The type, e.g. ``sensor_msgs/msg/Image``.
    """
    return STORE.generate_msgdef(kind, ros_version=2)[0].encode()


def store_of(channel: Channel) -> Any:
    """The types with which the messages of a channel are read.

    Args:
        channel: The channel.

    Returns:
        A type store of rosbags: the types of the channel's definition; where that is missing or not
        complete also ROS's, unless they contradict it.
    """
    return _store(channel.kind, channel.definition_encoding, channel.definition)


@lru_cache(maxsize=64)
def _store(kind: str, language: str, definition: bytes) -> Any:
    own = _parsed(kind, language, definition)
    separate = get_typestore(Stores.EMPTY)
    if _is_complete(kind, own, separate.fielddefs):
        separate.register(own)
        return separate
    store = get_typestore(Stores.ROS2_HUMBLE)
    for other, text in _OTHERS.items():
        store.register(get_types_from_msg(text, other))
    known = {name: definition for name, definition in own.items() if name in store.fielddefs}
    if all(store.fielddefs[name] == definition for name, definition in known.items()):
        new = {name: definition for name, definition in own.items() if name not in known}
        if new:
            store.register(new)
        return store
    separate.register(own)
    return separate


def _is_complete(kind: str, own: Mapping[str, Any], builtin: Mapping[str, Any]) -> bool:
    """Whether a definition holds every type that a kind is made of."""
    needed, seen = [kind], set[str]()
    while needed:
        name = needed.pop()
        if name in seen or (name in builtin and name not in own):
            continue
        seen.add(name)
        if name not in own:
            return False
        for _, field in own[name][1]:
            node, inner = field
            if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                node, inner = inner[0]
            if node == Nodetype.NAME:
                needed.append(inner)
    return True


def type_hash(channel: Channel) -> str:
    """ROS 2's hash of a channel's type.

    Args:
        channel: The channel.

    Returns:
        The recorded hash or, without one, that of the definition; empty if unknown.
    """
    if channel.digest:
        return channel.digest
    if channel.encoding != "cdr":
        return ""
    return _hash(channel.kind, channel.definition_encoding, channel.definition)


@lru_cache(maxsize=1024)
def _hash(kind: str, language: str, definition: bytes) -> str:
    own = _parsed(kind, language, definition)
    try:
        if own:
            store = get_typestore(Stores.EMPTY)
            store.register(own)
            return str(store.hash_rihs01(kind))
        ros = get_typestore(Stores.ROS2_HUMBLE)
        return str(ros.hash_rihs01(kind)) if kind in ros.fielddefs else ""
    # Real definitions hold what the grammar does not cover, and the hash is dispensable.
    except Exception:
        return ""


@lru_cache(maxsize=1024)
def _parsed(kind: str, language: str, definition: bytes) -> dict[str, Any]:
    """The types in a definition; none if it cannot be understood."""
    text = definition.decode(errors="replace")
    if not text.strip():
        return {}
    try:
        if language == "ros2msg":
            return dict(get_types_from_msg(text, kind))
        if language == "ros2idl":
            found: dict[str, Any] = {}
            for part in text.split(_IDL_SEPARATOR)[1:]:
                found.update(get_types_from_idl(part.split("\n", 1)[1]))
            return found
    except Exception:  # as above
        pass
    return {}
