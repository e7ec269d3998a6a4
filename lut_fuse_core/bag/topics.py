"""Which topics of a bag hold the visible and the infrared images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lut_fuse_core.bag.channels import Topic, describe_topics
from lut_fuse_core.bag.image_messages import ImageTopic, holds_images, is_raw
from lut_fuse_core.errors import InputError

_INFRARED_WORDS = {
    "infrared", "thermal", "ir", "lwir", "mwir", "swir", "flir", "boson", "lepton", "tau",
    "therm", "seek", "optris", "infra", "thermalgrabber", "radiometric",
}  # fmt: skip
_VISIBLE_WORDS = {"visible", "rgb", "color", "colour", "vis", "eo"}
_OTHER_WORDS = {"depth", "disparity", "mask", "fused", "fusion", "label", "labels", "segmentation"}
_INFRARED_ENCODINGS = {"mono16", "16UC1", "16SC1"}
_UNCLEAR_ENCODINGS = {"mono8", "8UC1", "32FC1", "64FC1", "32SC1"}

_TRANSPORTS = ("compressed", "zstd", "ffmpeg", "foxglove", "compressedDepth")
"""Last parts of topic names that image_transport adds, the preferred ones first."""

_ROS1 = (
    "; ROS 1 messages are not read: convert the recording to ROS 2 first (rosbags-convert --src "
    "RECORDING.bag --dst NEW)"
)


@dataclass(frozen=True)
class CameraTopics:
    """The chosen pair of image topics.

    Attributes:
        visible: Topic of the visible images.
        infrared: Topic of the infrared images.
    """

    visible: Topic
    infrared: Topic


def choose_topics(
    topics: Sequence[Topic],
    visible: str | None,
    infrared: str | None,
    look: Callable[[Topic], ImageTopic],
) -> CameraTopics:
    """Choose the image topics of a bag, by name or by what they look like.

    Args:
        topics: All topics of the bag.
        visible: Name of the topic, without its transport if need be; None to recognize it.
        infrared: The same of infrared.
        look: Reads the first image of a topic.

    Returns:
        The two topics.

    Raises:
        InputError: For a wrong name or an ambiguous bag; lists the bag's image topics.
    """
    images = [each for each in topics if holds_images(each)]
    if not images:
        raise InputError(
            f"the bag holds no image topics that can be read, only {describe_topics(topics)}"
            f"{_advice(topics)}"
        )

    def listing() -> str:
        listed = "; ".join(str(look(each)) for each in images)
        others = [each for each in topics if _looks_like_images(each)]
        if not others:
            return listed
        return f"{listed}; not read: {describe_topics(others)}{_advice(others)}"

    chosen = {}
    for role, name in (("visible", visible), ("infrared", infrared)):
        if name is not None:
            chosen[role] = _named(name, topics, listing)
    if len(chosen) < 2:
        chosen |= _recognized([look(each) for each in images], chosen, listing)
    if chosen["visible"].name == chosen["infrared"].name:
        raise InputError(
            f"{chosen['visible'].name} cannot be both the visible and the infrared topic; "
            f"the bag's image topics are {listing()}"
        )
    return CameraTopics(chosen["visible"], chosen["infrared"])


def camera_info_topic(image_topic: str) -> str:
    """The camera_info topic of an image topic, by ROS's convention.

    Args:
        image_topic: E.g. ``/camera/image_raw/compressed``.

    Returns:
        E.g. ``/camera/camera_info``.
    """
    return image_base(image_topic).rpartition("/")[0] + "/camera_info"


def image_base(image_topic: str) -> str:
    """An image topic without the name of its transport.

    Args:
        image_topic: E.g. ``/camera/image_raw/compressed``.

    Returns:
        E.g. ``/camera/image_raw``; a raw topic itself.
    """
    base, _, last = image_topic.rpartition("/")
    return base if last in _TRANSPORTS else image_topic


def _looks_like_images(topic: Topic) -> bool:
    """Whether a topic that is not read holds images all the same."""
    words = re.findall(r"image|video|ffmpegpacket", topic.kind.rpartition("/")[2].lower())
    return bool(words) and not holds_images(topic)


def _advice(topics: Sequence[Topic]) -> str:
    return _ROS1 if any(each.encoding == "ros1" for each in topics) else ""


def _named(name: str, topics: Sequence[Topic], listing: Callable[[], str]) -> Topic:
    for candidate in (name, f"/{name}", f"{name}/compressed"):
        found = [each for each in topics if each.name == candidate]
        images = [each for each in found if holds_images(each)]
        if images:
            return max(images, key=lambda each: each.count)
        if found:
            raise InputError(
                f"topic {describe_topics(found)} holds no images that can be read"
                f"{_advice(found)}; the bag's image topics are {listing()}"
            )
    raise InputError(f"topic {name} is not in the bag; its image topics are {listing()}")


def _recognized(
    images: list[ImageTopic], chosen: dict[str, Topic], listing: Callable[[], str]
) -> dict[str, Topic]:
    taken = {image_base(each.name) for each in chosen.values()}
    free = [each for each in _preferred(images) if image_base(each.name) not in taken]
    roles: dict[str, list[ImageTopic]] = {"visible": [], "infrared": []}
    for image in free:
        role = _role(image)
        if role is not None:
            roles[role].append(image)
    found = {}
    for role in (each for each in roles if each not in chosen):
        candidates = roles[role]
        if len(candidates) != 1:
            what = "no topic looks" if not candidates else "more than one topic looks"
            raise InputError(
                f"{what} like the {role} camera; choose with --{role} TOPIC from {listing()}"
            )
        found[role] = candidates[0].topic
    return found


def _preferred(images: list[ImageTopic]) -> list[ImageTopic]:
    """One topic per camera: raw images where there are any, else the best compressed ones."""
    best: dict[str, ImageTopic] = {}
    for image in images:
        base = image_base(image.name)
        if image.topic.count and (base not in best or _rank(image) < _rank(best[base])):
            best[base] = image
    return list(best.values())


def _rank(image: ImageTopic) -> int:
    if is_raw(image.topic):
        return -1
    last = image.name.rpartition("/")[2]
    return _TRANSPORTS.index(last) if last in _TRANSPORTS else len(_TRANSPORTS)


def _role(image: ImageTopic) -> str | None:
    words = set(re.split(r"[^a-z]+", image.name.lower()))
    form = image.encoding or ""
    encoding = form.partition(";")[0]
    if words & _INFRARED_WORDS:
        return "infrared"
    if words & _OTHER_WORDS or "compressedDepth" in form:
        return None
    if encoding in _INFRARED_ENCODINGS or re.search(r";gray1\d", form):
        return "infrared"
    if words & _VISIBLE_WORDS or encoding not in _UNCLEAR_ENCODINGS:
        return "visible"
    return None
