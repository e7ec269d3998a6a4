"""The types that messages are read with: of the bag, completed by those of ROS."""

from __future__ import annotations

import bags
import pytest
from rosbags.typesys import Stores, get_typestore

from lut_fuse_core.bag.channels import Channel
from lut_fuse_core.bag.definitions import STORE, ros_definition, store_of

ROS = get_typestore(Stores.ROS2_HUMBLE)
OWN = ["std_msgs/msg/Header", bags.IMAGE, bags.COMPRESSED, bags.INFO]


@pytest.mark.parametrize("kind", OWN)
def test_the_types_that_are_used_are_those_of_ros(kind: str) -> None:
    assert STORE.fielddefs[kind] == ROS.fielddefs[kind]
    assert ros_definition(kind).decode() == ROS.generate_msgdef(kind, ros_version=2)[0]
    assert STORE.hash_rihs01(kind) == ROS.hash_rihs01(kind)


@pytest.mark.parametrize(
    "definition",
    [
        "",
        "std_msgs/Header header\nstring format\nuint8[] data\n",  # of two types it needs, none
        ROS.generate_msgdef(bags.COMPRESSED, ros_version=2)[0],
    ],
)
def test_a_definition_that_is_missing_or_lacks_types_is_completed(definition: str) -> None:
    entry = bags.compressed("/camera/compressed", "jpeg", b"data", bags.START)
    kind = bags.COMPRESSED
    channel = Channel("/camera/compressed", kind, "cdr", "ros2msg", definition.encode(), ())
    message = store_of(channel).deserialize_cdr(entry.data, kind)
    assert (message.format, bytes(message.data)) == ("jpeg", b"data")
