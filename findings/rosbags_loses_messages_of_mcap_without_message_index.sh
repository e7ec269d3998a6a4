#!/bin/sh
# rosbags reads no message of a valid MCAP file whose chunks are indexed but have no message indexes
# (mcap.writer's IndexType.CHUNK), and reports no error; mcap's own reader reads all of them.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 mcap==1.6.0
"$folder/venv/bin/python" - "$folder/x.mcap" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import IndexType, Writer
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

path, count = Path(sys.argv[1]), 10
store = get_typestore(Stores.ROS2_HUMBLE)
kind = "std_msgs/msg/String"
with path.open("wb") as file:
    writer = Writer(file, index_types=IndexType.CHUNK)
    writer.start("ros2", "x")
    schema = writer.register_schema(kind, "ros2msg", b"string data\n")
    channel = writer.register_channel("/chatter", "cdr", schema)
    for index in range(count):
        data = bytes(store.serialize_cdr(store.types[kind](data=str(index)), kind))
        writer.add_message(channel, index, data, index)
    writer.finish()
with path.open("rb") as file:
    expected = sum(1 for _ in make_reader(file).iter_messages())
with AnyReader([path], default_typestore=store) as reader:
    seen = sum(1 for _ in reader.messages())
print(f"rosbags {version('rosbags')}, mcap {version('mcap')}")
print(f"expected: {expected} messages")
print(f"seen: {seen} messages")
sys.exit(not (expected == count and seen == 0))
PYTHON
