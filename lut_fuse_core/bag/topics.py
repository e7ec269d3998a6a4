"""Which topics of a bag hold the visible and the infrared images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rosbags.interfaces import Connection

from lut_fuse_core.errors import InputError

RAW = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

_INFRARED_WORDS = {
    "infrared", "thermal", "ir", "lwir", "mwir", "swir", "flir", "boson", "lepton", "tau",
    "therm", "seek", "optris", "infra", "thermalgrabber", "radiometric",
}  # fmt: skip
_VISIBLE_WORDS = {"visible", "rgb", "color", "colour", "vis", "eo"}
_OTHER_WORDS = {"depth", "disparity", "mask", "fused", "fusion", "label", "labels", "segmentation"}
_INFRARED_ENCODINGS = {"mono16", "16UC1"}


@dataclass(frozen=True)
class ImageTopic:
    """A topic with images, and what its first one looks like.

    encoding: of the raw image or the format of the compressed one; None if it cannot be read.
    """

    connection: Connection
    encoding: str | None
    size: tuple[int, int] | None

    @property
    def name(self) -> str:
        """The topic's name."""
        return self.connection.topic

    def __str__(self) -> str:
        looks = [self.encoding or ("unreadable" if self.connection.msgcount else "empty")]
        if self.size is not None:
            looks.append(f"{self.size[0]}x{self.size[1]}")
        return f"{self.name} ({', '.join(looks)}, {self.connection.msgcount} images)"


@dataclass(frozen=True)
class CameraTopics:
    """The chosen pair of image topics."""

    visible: Connection
    infrared: Connection


def choose_topics(
    connections: Sequence[Connection],
    visible: str | None,
    infrared: str | None,
    look: Callable[[Connection], ImageTopic],
) -> CameraTopics:
    """The topics asked for by name; what is not asked for is recognized if it is unambiguous.

    look: reads the first image of a topic.
    Raises InputError, listing the bag's image topics, for a wrong name or an ambiguous bag.
    """
    kinds = {connection.topic: connection for connection in connections}
    images = [each for each in connections if each.msgtype in (RAW, COMPRESSED)]
    if not images:
        raise InputError(f"the bag holds no image topics, only {_enumerate(sorted(kinds))}")

    def listing() -> str:
        return "; ".join(str(look(each)) for each in images)

    chosen = {}
    for role, name in (("visible", visible), ("infrared", infrared)):
        if name is not None:
            chosen[role] = _named(name, kinds, listing)
    if len(chosen) < 2:
        chosen |= _recognized([look(each) for each in images], chosen, listing)
    if chosen["visible"].topic == chosen["infrared"].topic:
        raise InputError(
            f"{chosen['visible'].topic} cannot be both the visible and the infrared topic; "
            f"the bag's image topics are {listing()}"
        )
    return CameraTopics(chosen["visible"], chosen["infrared"])


def camera_info_topic(image_topic: str) -> str:
    """The camera_info topic beside an image topic, by ROS's convention."""
    return image_base(image_topic).rpartition("/")[0] + "/camera_info"


def image_base(image_topic: str) -> str:
    """The raw topic to which a compressed one belongs."""
    base, _, last = image_topic.rpartition("/")
    return base if last == "compressed" else image_topic


def _named(name: str, kinds: dict[str, Connection], listing: Callable[[], str]) -> Connection:
    for candidate in (name, f"/{name}", f"{name}/compressed"):
        if candidate in kinds:
            connection = kinds[candidate]
            if connection.msgtype in (RAW, COMPRESSED):
                return connection
            raise InputError(
                f"topic {candidate} holds {connection.msgtype}, not images; "
                f"the bag's image topics are {listing()}"
            )
    raise InputError(f"topic {name} is not in the bag; its image topics are {listing()}")


def _recognized(
    images: list[ImageTopic], chosen: dict[str, Connection], listing: Callable[[], str]
) -> dict[str, Connection]:
    taken = {image_base(each.topic) for each in chosen.values()}
    free = [each for each in _preferred(images) if image_base(each.name) not in taken]
    roles: dict[str, list[ImageTopic]] = {"visible": [], "infrared": []}
    for image in free:
        role = _role(image)
        if role is not None:
            roles[role].append(image)
    found = {}
    for role in roles.keys() - chosen.keys():
        candidates = roles[role]
        if len(candidates) != 1:
            what = "no topic looks" if not candidates else "more than one topic looks"
            raise InputError(
                f"{what} like the {role} camera; choose with --{role} TOPIC from {listing()}"
            )
        found[role] = candidates[0].connection
    return found


def _preferred(images: list[ImageTopic]) -> list[ImageTopic]:
    """One topic per camera: raw images where there are any, else compressed ones."""
    best: dict[str, ImageTopic] = {}
    for image in images:
        if not image.connection.msgcount:
            continue
        base = image_base(image.name)
        if base not in best or image.connection.msgtype == RAW:
            best[base] = image
    return list(best.values())


def _role(image: ImageTopic) -> str | None:
    words = set(re.split(r"[^a-z]+", image.name.lower()))
    encoding = (image.encoding or "").partition(";")[0]
    if words & _OTHER_WORDS or "compressedDepth" in (image.encoding or ""):
        return None
    if words & _INFRARED_WORDS or encoding in _INFRARED_ENCODINGS:
        return "infrared"
    if words & _VISIBLE_WORDS or encoding not in ("mono8", "8UC1", "32FC1"):
        return "visible"
    return None


def _enumerate(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
