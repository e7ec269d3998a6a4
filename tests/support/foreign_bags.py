"""Recordings as other programs than ROS 2's recorder write them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import bags
import numpy as np
from mcap.writer import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

VISIBLE, INFRARED = "/camera/image_raw", "/thermal/image_raw"
STEP = 100_000_000
HEIGHT, WIDTH, PAIRS = 48, 64, 6
MOVE = 8


def color(index: int) -> np.ndarray:
    """A visible image: smooth, so that codecs hardly change it, and another one each time."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramp = (x * 3 + MOVE * index) % 200 + 20
    return np.dstack([ramp, ramp[:, ::-1], y * 2 + 40]).astype(np.uint8)


def counts(index: int) -> np.ndarray:
    """A 16-bit infrared image of the same moment."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    body = (x - 10 - 4 * index) ** 2 + (y - 24) ** 2 < 81
    return (29300 + 4 * y + 1600 * body).astype(np.uint16)


DEFINITION = bags.STORE.generate_msgdef(bags.IMAGE, ros_version=2)[0].encode()


def image_bytes(pixels: np.ndarray, encoding: str, stamp: int) -> bytes:
    """A `sensor_msgs/Image`, serialized."""
    return bags.image(VISIBLE, pixels, encoding, stamp).data


Pack = Callable[[np.ndarray, str, int], bytes]


def write_mcap(
    path: Path,
    schema: str,
    language: str,
    definition: bytes,
    encoding: str,
    pack: Pack,
    *,
    metadata: dict[str, str] | None = None,
    pairs: int = PAIRS,
    extra: Callable[[Writer], None] | None = None,
    **options: Any,
) -> Path:
    """A file with pairs of images that `pack` serializes."""
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start("ros2", "x")
        number = writer.register_schema(schema, language, definition)
        channels = {
            topic: writer.register_channel(topic, encoding, number, metadata or {})
            for topic in (VISIBLE, INFRARED)
        }
        if extra is not None:
            extra(writer)
        for index in range(pairs):
            stamp = bags.START + index * STEP
            for topic, pixels, name in (
                (VISIBLE, color(index), "rgb8"),
                (INFRARED, counts(index), "mono16"),
            ):
                data = pack(pixels, name, stamp)
                writer.add_message(channels[topic], stamp, data, stamp + 7, index)
        writer.finish()
    return path


def as_ros1(pixels: np.ndarray, encoding: str, stamp: int) -> bytes:
    """A ROS 1 `sensor_msgs/Image`."""
    store = get_typestore(Stores.ROS1_NOETIC)
    time = store.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    header = store.types["std_msgs/msg/Header"](seq=0, stamp=time, frame_id="cam")
    message = store.types[bags.IMAGE](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=np.frombuffer(pixels.tobytes(), np.uint8),
    )
    return bytes(store.serialize_ros1(message, bags.IMAGE))


def as_json(pixels: np.ndarray, encoding: str, stamp: int) -> bytes:
    """Foxglove's RawImage as JSON."""
    return json.dumps(
        {
            "timestamp": {"sec": stamp // 10**9, "nsec": stamp % 10**9},
            "frame_id": "cam",
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "encoding": encoding,
            "step": pixels.strides[0],
            "data": base64.b64encode(pixels.tobytes()).decode(),
        }
    ).encode()


def protobuf_type(name: str, fields: Iterable[tuple[str, int, int]]) -> tuple[bytes, type[Any]]:
    """A message type of the package ``foxglove``: (name, number, type of descriptor.proto) a field.

    Returns its definition as MCAP keeps it, and its class.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

    files = descriptor_pb2.FileDescriptorSet()
    timestamp_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    file = files.file.add(name=f"foxglove/{name}.proto", package="foxglove", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    message = file.message_type.add(name=name)
    for field, number, kind in fields:
        added = message.field.add(name=field, number=number, type=kind, label=1)
        if kind == 11:
            added.type_name = ".google.protobuf.Timestamp"
    pool = descriptor_pool.DescriptorPool()
    for each in files.file:
        pool.Add(each)
    found = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"foxglove.{name}"))
    return files.SerializeToString(), found


FFMPEG = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
VIDEO = "foxglove_msgs/msg/CompressedVideo"
FOXGLOVE_IMAGE = "foxglove_msgs/msg/CompressedImage"
_FOXGLOVE = "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
_DEFINITIONS = {
    VIDEO: _FOXGLOVE,
    FOXGLOVE_IMAGE: _FOXGLOVE,
    FFMPEG: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n"
    "uint8 flags\nbool is_bigendian\nuint8[] data\n",
}
STORE = get_typestore(Stores.ROS2_HUMBLE)
for _name, _text in _DEFINITIONS.items():
    STORE.register(get_types_from_msg(_text, _name))


def packet(kind: str, form: str, data: bytes, stamp: int) -> bytes:
    """A message of one of those types, serialized."""
    array = np.frombuffer(data, np.uint8)
    header = bags.header(stamp)
    if kind == FFMPEG:
        message = STORE.types[kind](
            header=header, width=WIDTH, height=HEIGHT, encoding=form, pts=stamp, flags=0,
            is_bigendian=False, data=array,
        )  # fmt: skip
    else:
        message = STORE.types[kind](timestamp=header.stamp, frame_id="cam", data=array, format=form)
    return bytes(STORE.serialize_cdr(message, kind))


@contextmanager
def scheduled_as_before() -> Iterator[None]:
    """SVT-AV1 makes the thread that calls it a real-time one where it may, for root that is.

    It stays so (findings/svt_av1_makes_the_calling_thread_real_time.sh).
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


@scheduled_as_before()
def encode(frames: list[np.ndarray], encoder: str, pixel_format: str) -> list[bytes]:
    """Frames as packets, one each, of an encoder without delay."""
    options = {
        "libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "4"},
        "libx265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=0"},
        "libsvtav1": {"preset": "10", "crf": "10", "svtav1-params": "pred-struct=1"},
        "ffv1": {"level": "1"},
    }[encoder]
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height = frames[0].shape[1], frames[0].shape[0]
    context.time_base, context.framerate = Fraction(1, 10), Fraction(10)
    context.pix_fmt, context.options, context.gop_size = pixel_format, options, 3
    packets = []
    for index, pixels in enumerate(frames):
        source = "gray16le" if pixels.dtype == np.uint16 else "rgb24"
        frame = av.VideoFrame.from_ndarray(pixels, format=source).reformat(
            format=pixel_format, threads=1
        )
        frame.pts = index
        packets += [bytes(each) for each in context.encode(frame)]
    packets += [bytes(each) for each in context.encode(None)]
    return packets
