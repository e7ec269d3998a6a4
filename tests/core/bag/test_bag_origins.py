"""`lut-fuse bag` on recordings of every origin: all pairs, the right pictures, a faithful copy."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import bags
import cv2
import foreign_bags as foreign
import numpy as np
import pytest
from foreign_bags import INFRARED, PAIRS, STEP, VISIBLE
from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer
from ruamel.yaml import YAML

from lut_fuse_core import Fuser
from lut_fuse_core.bag import BagOptions, fuse_bag, video_messages
from lut_fuse_core.bag.channels import Topic
from lut_fuse_core.bag.image_messages import infrared_images, visible_images
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline

Run = Callable[..., tuple[int, str, str]]
ROS2 = (bags.IMAGE, "ros2msg", foreign.DEFINITION, "cdr", foreign.image_bytes)


@pytest.fixture
def lut_fuse(run_tool: Run) -> Run:
    """Run `lut-fuse bag`; returns exit status, stdout and stderr."""
    return partial(run_tool, "bag")


def fused_pairs(done: tuple[int, str, str]) -> int:
    status, out, errors = done
    assert (status, errors) == (0, ""), errors
    return int(json.loads(out)["pairs"])


# Layouts of MCAP.


def reordered(path: Path, order: list[int], **options: object) -> Path:
    """The messages of a recording in another order."""
    found = []
    for index in range(PAIRS):
        stamp = bags.START + index * STEP
        found.append((VISIBLE, stamp, foreign.image_bytes(foreign.color(index), "rgb8", stamp)))
        found.append((INFRARED, stamp, foreign.image_bytes(foreign.counts(index), "16UC1", stamp)))
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=20_000, **options)
        writer.start("ros2", "x")
        schema = writer.register_schema(bags.IMAGE, "ros2msg", foreign.DEFINITION)
        channels = {
            topic: writer.register_channel(topic, "cdr", schema) for topic in (VISIBLE, INFRARED)
        }
        for index in order:
            topic, stamp, data = found[index]
            writer.add_message(channels[topic], stamp, data, stamp)
        writer.finish()
    return path


IN_ORDER = list(range(2 * PAIRS))
SWAPPED = [0, 1, 2, 6, 4, 5, 3, *IN_ORDER[7:]]
ONE_AFTER_THE_OTHER = IN_ORDER[::2] + IN_ORDER[1::2]


LAYOUTS: list[dict[str, object]] = [
    {},
    {"repeat_channels": False},
    {"repeat_schemas": False},
    {"repeat_channels": False, "repeat_schemas": False},
    {"use_chunking": False},
    {"use_chunking": False, "repeat_channels": False},
    {"index_types": IndexType.NONE},
    {"index_types": IndexType.CHUNK},
    {"use_statistics": False},
    {"use_statistics": False, "index_types": IndexType.CHUNK, "repeat_channels": False},
    {"compression": CompressionType.LZ4},
    {"compression": CompressionType.NONE, "enable_crcs": False},
]
ORDERS = {"in order": IN_ORDER, "swapped": SWAPPED, "one after the other": ONE_AFTER_THE_OTHER}


@pytest.mark.parametrize(
    ("options", "order", "folder"),
    [  # each two of the three together once at least
        pytest.param(options, order, (row + column) % 2 == 1, id=f"{options}-{name}")
        for row, options in enumerate(LAYOUTS)
        for column, (name, order) in enumerate(ORDERS.items())
    ],
)
def test_every_layout_of_mcap_gives_every_pair(
    lut_fuse: Run, tmp_path: Path, options: dict, order: list[int], folder: bool
) -> None:
    bag = reordered(tmp_path / "x.mcap", order, **options)
    if folder:  # whose metadata.yaml was written for the same messages
        whole = bags.write(tmp_path / "bag", [])
        (file,) = whole.glob("*.mcap")
        bag.replace(file)
        bag = whole
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS


def test_a_file_without_summary_between_others_gives_its_pairs(
    lut_fuse: Run, tmp_path: Path
) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    half = PAIRS // 2 * 2
    reordered(bag / "bag_0.mcap", IN_ORDER[:half])
    reordered(bag / "bag_1.mcap", IN_ORDER[half:], index_types=IndexType.NONE)
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_one_file_of_a_bag_with_compressed_messages_is_read(
    lut_fuse: Run, tmp_path: Path, storage: str
) -> None:
    from rosbags.rosbag2 import CompressionMode

    entries = [entry for index in range(PAIRS) for entry in ros2_pair(index)]
    bag = bags.write(tmp_path / "in", entries, storage, compression=CompressionMode.MESSAGE)
    (file,) = (path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    alone = shutil.copy(file, tmp_path / file.name)
    assert fused_pairs(lut_fuse(alone, tmp_path / "out", "--json")) == PAIRS


def ros2_pair(index: int) -> list[bags.Entry]:
    stamp = bags.START + index * STEP
    return [
        bags.image(VISIBLE, foreign.color(index), "rgb8", stamp),
        bags.image(INFRARED, foreign.counts(index), "16UC1", stamp),
    ]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_folder_without_metadata_reads_like_its_file(
    lut_fuse: Run, tmp_path: Path, storage: str
) -> None:
    entries = [entry for index in range(PAIRS) for entry in ros2_pair(index)]
    bag = bags.write(tmp_path / "in", entries, storage)
    (bag / "metadata.yaml").unlink()
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    report = json.loads(out)
    assert (status, report["pairs"], report["damage"]) == (0, PAIRS, None)
    # Of a database nobody can tell whether its recorder lived to write all of it.
    assert ("no metadata.yaml" in errors) == (storage == "sqlite3")


def test_sqlite_messages_that_are_out_of_order_are_read_in_order(tmp_path: Path) -> None:
    entries = [entry for index in (3, 0, 5, 1, 4, 2) for entry in ros2_pair(index)]
    with BagReader(bags.write(tmp_path / "in", entries, "sqlite3")) as reader:
        times = [message.recorded for message in reader.messages()]
    assert times == sorted(times)
    assert len(times) == 2 * PAIRS


@pytest.mark.parametrize("in_order", [True, False])
def test_of_sqlite_only_the_messages_that_are_wanted_are_read(
    tmp_path: Path, in_order: bool
) -> None:
    entries = [entry for index in range(PAIRS) for entry in ros2_pair(index)]
    bag = bags.write(tmp_path / "in", entries if in_order else entries[::-1], "sqlite3")
    with BagReader(bag) as reader:
        (infrared,) = (topic for topic in reader.topics if topic.name == INFRARED)
        asked: list[str] = []
        reader._files[0]._database.set_trace_callback(asked.append)
        assert len(list(reader.messages([infrared]))) == PAIRS
    assert all("WHERE" in query for query in asked)
    assert len(asked) == (1 if in_order else 1 + PAIRS)


# What surrounds the images.

COMPLETE = """\
- history: 1
  depth: 5
  reliability: 2
  durability: 2
  deadline: {sec: 0, nsec: 0}
  lifespan: {sec: 0, nsec: 0}
  liveliness: 1
  liveliness_lease_duration: {sec: 0, nsec: 0}
  avoid_ros_namespace_conventions: false
"""


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(
    "qos",
    [
        COMPLETE,
        "- reliability: reliable\n  durability: volatile\n  history: keep_last\n  depth: 100\n",
        "- reliability: 1\n",
        "reliability: reliable\ndepth: 5\n",
        COMPLETE.replace("reliability: 2", "reliability: 99"),
        "~",
        "][",
        "- - - 1",
    ],
)
def test_quality_of_service_is_kept_and_never_in_the_way(
    lut_fuse: Run, tmp_path: Path, qos: str, storage: str
) -> None:
    metadata = {"offered_qos_profiles": qos}
    bag = foreign.write_mcap(tmp_path / "x.mcap", *ROS2, metadata=metadata)
    out = tmp_path / "out"
    assert fused_pairs(lut_fuse(bag, out, "--json", "--storage", "mcap")) == PAIRS
    assert bags.read_mcap_qos(out)[VISIBLE] == qos
    # The fused topic takes it over only where ROS can take it.
    assert bags.read_mcap_qos(out)["/fused/image"] == (qos if qos == COMPLETE else "")
    status, _, errors = lut_fuse(bag, tmp_path / "database", "--storage", "sqlite3")
    assert status == 0, errors
    assert (
        fused_pairs(
            lut_fuse(tmp_path / "database", tmp_path / "again", "--json", "--fused", "/f/i")
        )
        == PAIRS
    )


def test_definitions_are_copied_to_the_byte_each_topic_its_own(
    lut_fuse: Run, tmp_path: Path
) -> None:
    others = {"/battery/a": b"float32 t  # \xb0C\n", "/battery/b": b"float64 other\n"}
    odd = b"# \xb0C\n" + foreign.DEFINITION

    def add(writer: Writer) -> None:
        for topic, definition in others.items():
            schema = writer.register_schema("my_msgs/msg/Battery", "ros2msg", definition)
            channel = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channel, bags.START, b"\0\1\0\0\0\0\0\0", bags.START)

    bag = foreign.write_mcap(
        tmp_path / "x.mcap", bags.IMAGE, "ros2msg", odd, "cdr", foreign.image_bytes, extra=add
    )
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS
    with next((tmp_path / "out").glob("*.mcap")).open("rb") as stream:
        copied = {c.topic: s.data for s, c, _ in make_reader(stream).iter_messages()}
    assert copied[VISIBLE] == odd
    assert {topic: copied[topic] for topic in others} == others
    status, _, errors = lut_fuse(bag, tmp_path / "database", "--storage", "sqlite3")
    assert status == 0
    assert "a second definition of my_msgs/msg/Battery" in errors
    assert "not UTF-8" in errors


def test_two_types_on_one_topic_are_two_topics(lut_fuse: Run, tmp_path: Path) -> None:
    entries = [entry for index in range(PAIRS) for entry in ros2_pair(index)]
    texts = [replace(bags.text(VISIBLE, "x", bags.START + i), topic=VISIBLE) for i in range(3)]

    def add(writer: Writer) -> None:
        schema = writer.register_schema(bags.TEXT, "ros2msg", b"string data\n")
        channel = writer.register_channel(VISIBLE, "cdr", schema)
        for each in texts:
            writer.add_message(channel, each.recorded, each.data, each.recorded)

    bag = foreign.write_mcap(tmp_path / "x.mcap", *ROS2, extra=add)
    done = lut_fuse(bag, tmp_path / "out", "--json", "--visible", VISIBLE)
    assert fused_pairs(done) == PAIRS
    assert json.loads(done[1])["copied"] == len(entries) + len(texts)


def test_the_copy_holds_what_the_original_held(lut_fuse: Run, tmp_path: Path) -> None:
    def add(writer: Writer) -> None:
        writer.add_attachment(5, 6, "rig.yaml", "text/yaml", b"mine")
        writer.add_metadata("experiment", {"driver": "me"})

    bag = bags.write(tmp_path / "in", [])
    (file,) = bag.glob("*.mcap")
    foreign.write_mcap(file, *ROS2, extra=add)
    yaml, metadata = YAML(typ="safe"), bag / "metadata.yaml"
    content = yaml.load(metadata.read_text())
    content["rosbag2_bagfile_information"]["custom_data"] = {"site": "north"}
    with metadata.open("w") as stream:
        yaml.dump(content, stream)
    out = tmp_path / "out"
    assert fused_pairs(lut_fuse(bag, out, "--json")) == PAIRS
    with file.open("rb") as one, next(out.glob("*.mcap")).open("rb") as other:
        before, after = make_reader(one), make_reader(other)
        assert list(after.iter_attachments()) == list(before.iter_attachments())
        assert "experiment" in {record.name for record in after.iter_metadata()}
        kept = [
            [(c.topic, m.log_time, m.publish_time, m.sequence, m.data) for _, c, m in messages]
            for messages in (
                before.iter_messages(),
                after.iter_messages([VISIBLE, INFRARED]),
            )
        ]
    assert kept[0] == kept[1]
    written = yaml.load((out / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert written["custom_data"] == {"site": "north"}
    status, _, errors = lut_fuse(bag, tmp_path / "database", "--storage", "sqlite3")
    assert status == 0
    for what in ("1 attachments", "1 metadata records", f"{2 * PAIRS} times of publication"):
        assert what in errors


def test_an_indexed_file_is_what_other_readers_take_it_for(lut_fuse: Run, tmp_path: Path) -> None:
    lut_fuse(reordered(tmp_path / "x.mcap", IN_ORDER), tmp_path / "out")
    with next((tmp_path / "out").glob("*.mcap")).open("rb") as stream:
        summary = make_reader(stream, validate_crcs=True).get_summary()
        assert summary.statistics.message_count == 3 * PAIRS
        assert sum(summary.statistics.channel_message_counts.values()) == 3 * PAIRS
        assert summary.chunk_indexes
        assert sum(1 for _ in make_reader(stream).iter_messages()) == 3 * PAIRS
    from rosbags.rosbag2 import Reader

    with Reader(tmp_path / "out") as reader:
        assert sum(1 for _ in reader.messages()) == 3 * PAIRS


# Other types and serializations of images.


def plain_expectation(bag: Path) -> list[np.ndarray]:
    return list(infrared_images(bag, INFRARED))


@pytest.mark.parametrize(
    ("schema", "language", "definition", "encoding", "pack"),
    [
        ("foxglove.RawImage", "jsonschema", b"{}", "json", foreign.as_json),
        ("sensor_msgs::msg::dds_::Image_", "omgidl", b"", "cdr", foreign.image_bytes),
        ("sensor_msgs/Image", "ros2msg", foreign.DEFINITION, "cdr", foreign.image_bytes),
        (bags.IMAGE, "", b"", "cdr", foreign.image_bytes),
    ],
    ids=["Foxglove's JSON", "a DDS recorder", "no /msg/", "no definition"],
)
def test_images_of_other_recorders_are_read(
    lut_fuse: Run, tmp_path: Path, schema, language, definition, encoding, pack
) -> None:
    bag = foreign.write_mcap(tmp_path / "x.mcap", schema, language, definition, encoding, pack)
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS
    for index, (visible, infrared) in enumerate(
        zip(visible_images(bag, VISIBLE), infrared_images(bag, INFRARED), strict=True)
    ):
        np.testing.assert_array_equal(visible, foreign.color(index))
        np.testing.assert_array_equal(infrared, foreign.counts(index))


@pytest.mark.parametrize("kind", ["RawImage", "CompressedImage"])
def test_foxglove_messages_as_protobuf_are_read(lut_fuse: Run, tmp_path: Path, kind: str) -> None:
    message, text, number, data = 11, 9, 7, 12  # types in descriptor.proto
    names = {
        "RawImage": [
            ("timestamp", 1, message), ("frame_id", 7, text), ("width", 2, number),
            ("height", 3, number), ("encoding", 4, text), ("step", 5, number), ("data", 6, data),
        ],
        "CompressedImage": [
            ("timestamp", 1, message), ("frame_id", 4, text), ("data", 2, data),
            ("format", 3, text),
        ],
    }[kind]  # fmt: skip
    definition, made = foreign.protobuf_type(kind, names)

    def pack(pixels: np.ndarray, encoding: str, stamp: int) -> bytes:
        fields = {"frame_id": "cam"}
        if kind == "RawImage":
            fields |= {"width": pixels.shape[1], "height": pixels.shape[0], "encoding": encoding}
            fields |= {"step": pixels.strides[0], "data": pixels.tobytes()}
        else:
            order = pixels[..., ::-1] if pixels.ndim == 3 else pixels
            fields |= {"data": cv2.imencode(".png", order)[1].tobytes(), "format": "png"}
        packed = made(**fields)
        packed.timestamp.seconds, packed.timestamp.nanos = divmod(stamp, 10**9)
        return packed.SerializeToString()

    bag = foreign.write_mcap(
        tmp_path / "x.mcap", f"foxglove.{kind}", "protobuf", definition, "protobuf", pack
    )
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json", "--infrared", INFRARED)) == PAIRS
    np.testing.assert_array_equal(next(visible_images(bag, VISIBLE)), foreign.color(0))
    np.testing.assert_array_equal(next(infrared_images(bag, INFRARED)), foreign.counts(0))


def test_ros_1_messages_are_refused_by_name(lut_fuse: Run, tmp_path: Path) -> None:
    bag = foreign.write_mcap(
        tmp_path / "x.mcap", "sensor_msgs/Image", "ros1msg", foreign.DEFINITION, "ros1",
        foreign.as_ros1,
    )  # fmt: skip
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert f"{VISIBLE} (sensor_msgs/Image, ros1 encoding, {PAIRS} messages)" in errors
    assert "ROS 1 messages are not read" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("encoding", ["cbor", "flatbuffer", "json"])
def test_what_is_not_understood_is_named_with_type_encoding_and_count(
    lut_fuse: Run, tmp_path: Path, encoding: str
) -> None:
    bag = foreign.write_mcap(tmp_path / "x.mcap", "my.Image", "", b"", encoding, foreign.as_json)
    for options in ((), ("--visible", VISIBLE)):
        status, _, errors = lut_fuse(bag, tmp_path / "out", *options)
        assert status == 2
        assert f"{VISIBLE} (my.Image, {encoding} encoding, {PAIRS} messages)" in errors


# Video.


def video_bag(path: Path, kind: str, form: str, packets: list[bytes], topic: str) -> Path:
    """Video on one topic, raw images on the other."""
    entries = []
    for index, data in enumerate(packets):
        stamp = bags.START + index * STEP
        visible, infrared = ros2_pair(index)
        other = infrared if topic == VISIBLE else visible
        packed = foreign.packet(kind, form, data, stamp)
        entries += [replace(visible if topic == VISIBLE else infrared, kind=kind, data=packed)]
        entries += [other]
    from rosbags.rosbag2 import StoragePlugin
    from rosbags.rosbag2 import Writer as BagWriter

    with BagWriter(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {}
        for entry in entries:
            if entry.topic not in known:
                known[entry.topic] = writer.add_connection(
                    entry.topic, entry.kind, typestore=foreign.STORE
                )
            writer.write(known[entry.topic], entry.recorded, entry.data)
    return path


CODECS = [
    ("libx264", "yuv420p", foreign.VIDEO, "h264"),
    ("libx264", "yuv420p", foreign.FFMPEG, "h264;yuv420p;bgr8;bgr8"),
    ("libx264", "yuv420p", foreign.FFMPEG, "libx264"),
    ("libx265", "yuv420p", foreign.VIDEO, "h265"),
    ("libx265", "yuv420p", foreign.FFMPEG, "hevc_nvenc"),
    ("libsvtav1", "yuv420p", foreign.VIDEO, "av1"),
]


def has_encoder(name: str) -> bool:
    try:
        av.CodecContext.create(name, "w")
    except av.error.FFmpegError:
        return False
    return True


@pytest.mark.parametrize(("encoder", "pixels", "kind", "form"), CODECS)
def test_visible_video_is_decoded_packet_by_packet(
    lut_fuse: Run, tmp_path: Path, encoder: str, pixels: str, kind: str, form: str
) -> None:
    if not has_encoder(encoder):
        pytest.skip(f"this FFmpeg has no {encoder}")
    packets = foreign.encode([foreign.color(index) for index in range(PAIRS)], encoder, pixels)
    assert len(packets) == PAIRS
    bag = video_bag(tmp_path / "in", kind, form, packets, VISIBLE)
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS
    for index, image in enumerate(visible_images(bag, VISIBLE)):
        # Of these one is nearest; the neighbors are far off, since the picture moves.
        distances = [
            np.abs(image.astype(int) - foreign.color(other)).mean() for other in range(PAIRS)
        ]
        assert int(np.argmin(distances)) == index
        assert distances[index] < 6


def test_an_empty_packet_ends_no_video(lut_fuse: Run, tmp_path: Path) -> None:
    packets = foreign.encode([foreign.color(index) for index in range(PAIRS)], "ffv1", "bgr0")
    packets[2] = b""
    bag = video_bag(tmp_path / "in", foreign.FFMPEG, "ffv1", packets, VISIBLE)
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    report = json.loads(out)
    assert (status, report["pairs"], report["unusable"]) == (1, PAIRS - 1, 1)
    assert f"a video packet of {VISIBLE} is empty" in errors


def test_a_codec_that_this_ffmpeg_lacks_is_refused_by_name(
    lut_fuse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_messages, "codec_of", lambda form: "no_such_codec")
    packets = foreign.encode([foreign.color(index) for index in range(PAIRS)], "ffv1", "bgr0")
    bag = video_bag(tmp_path / "in", foreign.FFMPEG, "ffv1", packets, VISIBLE)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert "no_such_codec video, which the installed FFmpeg cannot decode" in errors


def test_infrared_video_keeps_all_16_bits(lut_fuse: Run, tmp_path: Path) -> None:
    packets = foreign.encode([foreign.counts(i) for i in range(PAIRS)], "ffv1", "gray16le")
    form = "ffv1;gray16le;mono16;mono16"
    bag = video_bag(tmp_path / "in", foreign.FFMPEG, form, packets, INFRARED)
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS
    for index, image in enumerate(infrared_images(bag, INFRARED)):
        np.testing.assert_array_equal(image, foreign.counts(index))


def test_infrared_video_in_false_colors_is_their_intensities(tmp_path: Path) -> None:
    gray = [(foreign.counts(index) - 29_200).clip(0, 1800) // 8 for index in range(PAIRS)]
    jet = [cv2.applyColorMap(each.astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1] for each in gray]
    packets = foreign.encode(jet, "libx264", "yuv444p")
    bag = video_bag(tmp_path / "in", foreign.VIDEO, "h264", packets, INFRARED)
    for found, expected in zip(infrared_images(bag, INFRARED), gray, strict=True):
        assert np.abs(found.astype(int) - expected).mean() < 6


def test_infrared_video_of_limited_range_is_black_to_white(tmp_path: Path) -> None:
    """As in video files, where 16 is black and 235 white."""
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (foreign.HEIGHT, 1))
    packets = foreign.encode([np.dstack([ramp] * 3)] * PAIRS, "libx264", "yuv420p")
    bag = video_bag(tmp_path / "in", foreign.VIDEO, "h264", packets, INFRARED)
    assert np.abs(next(infrared_images(bag, INFRARED)).astype(int) - ramp).max() <= 3


def test_one_compressed_file_of_a_bag_is_refused_with_the_way_out(
    lut_fuse: Run, tmp_path: Path
) -> None:
    (tmp_path / "bag_0.mcap.zstd").write_bytes(b"any")
    status, _, errors = lut_fuse(tmp_path / "bag_0.mcap.zstd", tmp_path / "out")
    assert status == 2
    assert "give the bag's folder, or decompress it first" in errors


def test_video_without_parameter_sets_says_what_may_be_missing(
    lut_fuse: Run, tmp_path: Path
) -> None:
    """They are often sent once, out of band, to those who listen then."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = foreign.WIDTH, foreign.HEIGHT, "yuv420p"
    context.time_base, context.options = Fraction(1, 10), {"tune": "zerolatency"}
    context.flags |= av.codec.context.Flags.global_header
    frame = av.VideoFrame.from_ndarray(foreign.color(0), format="rgb24")
    packets = [bytes(each) for each in context.encode(frame.reformat(format="yuv420p"))]
    bag = video_bag(tmp_path / "in", foreign.VIDEO, "h264", packets * PAIRS, VISIBLE)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert "SPS and PPS of H.264 are, is not in the messages" in errors


@pytest.mark.parametrize("definition", [b"", b"\n"])
def test_an_empty_definition_is_none(lut_fuse: Run, tmp_path: Path, definition: bytes) -> None:
    bag = foreign.write_mcap(
        tmp_path / "in.mcap", bags.IMAGE, "ros2msg", definition, "cdr", foreign.image_bytes
    )
    assert fused_pairs(lut_fuse(bag, tmp_path / "out", "--json")) == PAIRS


def test_packets_before_the_first_key_frame_are_counted(lut_fuse: Run, tmp_path: Path) -> None:
    frames = [foreign.color(index) for index in range(PAIRS)]
    packets = foreign.encode(frames, "libx264", "yuv420p")[1:]
    bag = video_bag(tmp_path / "in", foreign.VIDEO, "h264", packets, VISIBLE)
    status, out, _ = lut_fuse(bag, tmp_path / "out", "--json")
    report = json.loads(out)
    assert (status, report["unusable"]) == (1, 2)
    assert report["pairs"] == len(packets) - 2


@pytest.mark.parametrize("kind", [foreign.VIDEO, foreign.FFMPEG])
@pytest.mark.parametrize("data", [bytes(8), b"", b"\xff" * 500])
def test_video_that_is_none_is_refused_with_a_reason(
    lut_fuse: Run, tmp_path: Path, kind: str, data: bytes
) -> None:
    bag = video_bag(tmp_path / "in", kind, "h264", [data] * PAIRS, VISIBLE)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert errors.count("\n") == 1
    assert "video packet" in errors
    bag = video_bag(tmp_path / "other", kind, "quicktime", [data] * PAIRS, VISIBLE)
    assert "codec that is not known: 'quicktime'" in lut_fuse(bag, tmp_path / "out")[2]


# JPEG of 16 bits.


def test_a_jpeg_of_16_bits_is_stretched_and_said(lut_fuse: Run, tmp_path: Path) -> None:
    entries = []
    for index in range(PAIRS):
        visible, _ = ros2_pair(index)
        jpeg = cv2.imencode(".jpg", (foreign.counts(index) / 257).round().astype(np.uint8))[1]
        name = "mono16; jpeg compressed mono8"
        stamp = bags.START + index * STEP
        entries += [visible, bags.compressed(f"{INFRARED}/compressed", name, jpeg, stamp)]
    bag = bags.write(tmp_path / "in", entries)
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    assert (status, json.loads(out)["pairs"]) == (0, PAIRS)
    assert "keeps 256 of their 65536 levels" in errors


# Clocks.


def far_apart(tmp_path: Path, seconds: float, pairs: int = 20, visible: float = 0) -> Path:
    """A recording whose infrared stamps are ahead by some seconds."""
    entries = []
    for index in range(pairs):
        recorded = bags.START + index * 33 * bags.MILLI
        image, counts = foreign.color(index), foreign.counts(index % PAIRS)
        ours = bags.image(VISIBLE, image, "rgb8", recorded + round(visible * 10**9))
        theirs = bags.image(INFRARED, counts, "16UC1", recorded + round(seconds * 10**9))
        entries += [replace(ours, recorded=recorded)]
        entries += [replace(theirs, recorded=recorded + 5 * bags.MILLI)]
    return bags.write(tmp_path / "in", entries)


UPTIME = 1234.0 - bags.START / 1e9


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (UPTIME, "the infrared camera counts from when it was switched on"),
        (3600.0, "an hour off"),
        (-7200.0, "time zone"),
        (19800.0, "time zone"),
        (37.0, "TAI"),
        (10.2, "not synchronized"),
    ],
)
def test_clocks_far_apart_are_named_with_the_option_that_is_enough(
    lut_fuse: Run, tmp_path: Path, seconds: float, reason: str
) -> None:
    bag = far_apart(tmp_path, seconds)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert reason in errors
    assert errors.count("\n") == 1
    (option,) = {
        word for word in errors.split() if word.lstrip("-")[:1].isdigit() and "." in word
    } & {errors.split("--clock-offset ")[1].split()[0]}
    assert abs(float(option) - seconds) < 0.012
    for name, choice in (
        ("given", ("--clock-offset", option)),
        ("found", ("--clock-offset", "auto")),
        ("arrival", ("--stamps", "arrival")),
    ):
        status, out, _ = lut_fuse(bag, tmp_path / name, "--json", *choice)
        assert (status, json.loads(out)["pairs"]) == (0, 20), name


def test_stamps_of_another_speed_are_named_with_the_option_that_is_enough(
    lut_fuse: Run, tmp_path: Path
) -> None:
    """A driver that takes milliseconds for nanoseconds."""
    entries = []
    for index in range(40):
        stamp = bags.START + index * STEP
        slow = bags.image(INFRARED, foreign.counts(index), "mono16", stamp // 1_000_000)
        entries += [
            bags.image(VISIBLE, foreign.color(index), "rgb8", stamp),
            replace(slow, recorded=stamp + 5_000_000),
        ]
    bag = bags.write(tmp_path / "in", entries)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert "--stamps arrival pairs by these" in errors
    status, out, _ = lut_fuse(bag, tmp_path / "out", "--json", "--stamps", "arrival")
    assert (status, json.loads(out)["pairs"]) == (0, 40)


def test_pairs_of_different_moments_are_not_made_without_a_word(
    lut_fuse: Run, tmp_path: Path
) -> None:
    bag = far_apart(tmp_path, 3.3, pairs=150)
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    assert (status, json.loads(out)["pairs"]) == (0, 50)
    assert "may be of different moments" in errors
    assert "3.305 s ahead" in errors or "3.295 s ahead" in errors


# Other things.


class Passing(FusionPipeline):
    """A pipeline that costs no time: this is about the bag."""

    def process(self, visible, infrared=None, **times):
        self._count("fused", 0.0)
        return visible


def test_topics_that_are_not_used_say_what_they_are(model, tmp_path: Path) -> None:
    channel = next(iter(BagReader(foreign.write_mcap(tmp_path / "x.mcap", *ROS2)).counts))
    assert str(Topic((channel,), 1)).endswith("(sensor_msgs/msg/Image, cdr encoding, 1 message)")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_stages_keep_the_order_and_close_with_an_error(model, tmp_path: Path, storage: str) -> None:
    entries = [entry for index in range(PAIRS) for entry in ros2_pair(index)]
    bag = bags.write(tmp_path / "in", entries, storage)

    class Failing(Passing):
        def process(self, visible, infrared=None, **times):
            if times["visible_time"] * 1e9 > bags.START + 3.5 * STEP:
                raise KeyboardInterrupt
            return super().process(visible, infrared, **times)

    with pytest.raises(KeyboardInterrupt):
        fuse_bag(bag, tmp_path / "out", Failing(PipelineConfig(model=model, backend="reference")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    pipeline = Passing(PipelineConfig(model=model, backend="reference"))
    fuse_bag(bag, tmp_path / "out", pipeline, BagOptions(output="png"))
    with BagReader(tmp_path / "out") as reader:
        fused = [topic for topic in reader.topics if topic.name == "/fused/image/compressed"]
        times = [message.recorded for message in reader.messages(fused)]
    assert times == sorted(times)
    for index, image in enumerate(visible_images(tmp_path / "out", "/fused/image/compressed")):
        np.testing.assert_array_equal(image, foreign.color(index))


def test_a_sqlite_bag_copied_to_itself_is_the_same_database(lut_fuse: Run, tmp_path: Path) -> None:
    entries = [entry for index in range(PAIRS) for entry in ros2_pair(index)]
    bag = bags.write(tmp_path / "in", entries, "sqlite3")
    assert lut_fuse(bag, tmp_path / "out")[0] == 0
    rows = []
    for folder in (bag, tmp_path / "out"):
        with sqlite3.connect(next(folder.glob("*.db3"))) as database:
            rows.append(
                database.execute(
                    "SELECT name, type, serialization_format, offered_qos_profiles, "
                    "type_description_hash FROM topics WHERE name NOT LIKE '/fused%'"
                ).fetchall()
            )
        database.close()
    assert rows[0] == rows[1]


def test_the_fused_picture_is_that_of_the_pair(model_file: Path, lut_fuse: Run, tmp_path) -> None:
    bag = foreign.write_mcap(tmp_path / "x.mcap", *ROS2)
    lut_fuse(bag, tmp_path / "out", "--normalization", "range", "--range", "29000", "31000")
    fuser = Fuser(model_file, backend="reference")
    for index, image in enumerate(visible_images(tmp_path / "out", "/fused/image")):
        gray = np.clip((foreign.counts(index) - 29000.0) / 2000 * 255, 0, 255)
        expected = fuser.fuse(foreign.color(index), gray.round().astype(np.uint8))
        assert np.abs(image.astype(int) - expected).max() <= 3
