"""`lut-fuse bag`, end to end: bags in, bags out, read back by other libraries."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import bags
import cv2
import numpy as np
import pytest
from bags import MILLI, START
from rosbags.rosbag2 import CompressionMode
from ruamel.yaml import YAML
from swinging import swinging_cameras

from lut_fuse_core import Fuser
from lut_fuse_core.bag.demo_recording import record_street
from lut_fuse_core.synthetic import SceneConfig, StreetScene

HEIGHT, WIDTH, PAIRS = 48, 64, 6
SCENE = StreetScene(SceneConfig(width=WIDTH, height=HEIGHT, rate=10.0))
FRAMES = [SCENE.frame(index) for index in range(PAIRS)]
STAMPS = [START + index * 100 * MILLI for index in range(PAIRS)]
GRAY = [
    np.clip((frame.infrared.astype(int) - 7000) // 4, 0, 255).astype(np.uint8) for frame in FRAMES
]
SECRET = "my_robot_msgs/msg/Secret"
VISIBLE, INFRARED = "/visible/image_raw", "/infrared/image_raw"


@pytest.fixture
def lut_fuse(run_tool):
    """Run `lut-fuse bag`; returns exit status, stdout and stderr."""
    return partial(run_tool, "bag")


@pytest.fixture
def expected(model_file):
    """The fused image of a pair that needs no normalization."""
    fuser = Fuser(model_file, backend="reference")
    return lambda index: fuser.fuse(FRAMES[index].visible, GRAY[index])


def nanoseconds(message) -> int:
    """The stamp of a message as the MCAP library decodes it."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def entries(lag: int = 2 * MILLI) -> list[bags.Entry]:
    """A recording: two cameras, their infos and chatter, in the order of recording."""
    found = []
    for index, stamp in enumerate(STAMPS):
        found += [
            bags.image(VISIBLE, FRAMES[index].visible, "rgb8", stamp),
            bags.image(INFRARED, GRAY[index], "mono8", stamp + lag),
            bags.info("/visible/camera_info", stamp, 50.0 + index),
            bags.text("/chatter", f"hello {index}", stamp + 20 * MILLI),
        ]
    return sorted(found, key=lambda entry: entry.recorded)


@pytest.mark.parametrize(
    ("source", "target"),
    [("mcap", None), ("sqlite3", None), ("mcap", "sqlite3"), ("sqlite3", "mcap")],
)
def test_a_bag_becomes_a_bag_with_fused_images(lut_fuse, expected, tmp_path, source, target):
    bag, out = bags.write(tmp_path / "in", entries(), source), tmp_path / "out"
    choice = [] if target is None else ["--storage", target]
    status, _, errors = lut_fuse(bag, out, *choice)
    assert (status, errors) == (0, "")
    if (target or source) == "mcap":
        read = bags.read_mcap(out)
        fused = [each.message for each in read["/fused/image"]]
        stamps = [nanoseconds(each) for each in fused]
        frames = {each.header.frame_id for each in fused}
    else:
        read = bags.read_sqlite(out)
        fused = [each.message for each in read["/fused/image"]]
        stamps, frames = [each.stamp for each in fused], {each.frame for each in fused}
    assert stamps == STAMPS
    assert frames == {"visible_frame"}
    for index, image in enumerate(fused):
        assert (image.encoding, image.height, image.width) == ("rgb8", HEIGHT, WIDTH)
        pixels = np.frombuffer(image.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
        np.testing.assert_array_equal(pixels, expected(index))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_all_other_messages_are_copied_to_the_byte(lut_fuse, tmp_path, storage):
    bag, out = bags.write(tmp_path / "in", entries(), storage), tmp_path / "out"
    assert lut_fuse(bag, out)[0] == 0
    read = bags.read_mcap if storage == "mcap" else bags.read_sqlite
    before, after = read(bag), read(out)
    for topic in before:
        assert [(m.recorded, m.data) for m in after[topic]] == [
            (m.recorded, m.data) for m in before[topic]
        ]
    assert after.keys() - before.keys() == {"/fused/image", "/fused/camera_info"}


def test_topics_keep_their_qos_and_the_fused_one_takes_that_of_the_visible(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    lut_fuse(bag, out)
    before, after = bags.read_mcap_qos(bag), bags.read_mcap_qos(out)
    assert "reliability: 2" in before[VISIBLE]
    assert all(after[topic] == qos for topic, qos in before.items())
    assert after["/fused/image"] == before[VISIBLE]


@pytest.mark.parametrize("version", [8, 9])
def test_the_metadata_keeps_its_version_so_that_the_same_ros_plays_it(lut_fuse, tmp_path, version):
    bag = bags.write(tmp_path / "in", entries(), version=version)
    lut_fuse(bag, tmp_path / "out")
    assert f"version: {version}\n" in (tmp_path / "out" / "metadata.yaml").read_text()


def test_camera_info_goes_with_each_fused_image(lut_fuse, tmp_path):
    lut_fuse(bags.write(tmp_path / "in", entries()), tmp_path / "out")
    read = bags.read_mcap(tmp_path / "out")
    infos = [each.message for each in read["/fused/camera_info"]]
    assert [info.k[0] for info in infos] == [50.0 + index for index in range(PAIRS)]
    assert [nanoseconds(info) for info in infos] == STAMPS


def test_a_rare_camera_info_is_stamped_again_for_every_image(lut_fuse, tmp_path):
    rare = [entry for entry in entries() if entry.topic != "/visible/camera_info"]
    rare.insert(0, bags.info("/visible/camera_info", STAMPS[0] - 5 * MILLI, 77.0))
    lut_fuse(bags.write(tmp_path / "in", rare), tmp_path / "out")
    infos = [each.message for each in bags.read_mcap(tmp_path / "out")["/fused/camera_info"]]
    assert [nanoseconds(info) for info in infos] == STAMPS
    assert {info.k[0] for info in infos} == {77.0}


def test_no_copy_writes_the_fused_topics_only(lut_fuse, tmp_path):
    bag = bags.write(tmp_path / "in", entries())
    lut_fuse(bag, tmp_path / "out", "--no-copy", "--fused", "/x/image", "--encoding", "bgr8")
    read = bags.read_mcap(tmp_path / "out")
    assert read.keys() == {"/x/image", "/x/camera_info"}
    assert read["/x/image"][0].message.encoding == "bgr8"


def test_compressed_images_in_and_out(lut_fuse, expected, tmp_path):
    visible, infrared = "/cam/image_raw/compressed", "/thermal/image_raw/compressed"
    found = []
    for index, stamp in enumerate(STAMPS):
        png = cv2.imencode(".png", FRAMES[index].visible[..., ::-1])[1].tobytes()
        found.append(bags.compressed(visible, "rgb8; png compressed bgr8", png, stamp))
        png = cv2.imencode(".png", GRAY[index])[1].tobytes()
        found.append(bags.compressed(infrared, "mono8; png compressed ", png, stamp))
    bag = bags.write(tmp_path / "in", found)
    assert lut_fuse(bag, tmp_path / "out", "--output", "png")[0] == 0
    (first, *_) = bags.read_mcap(tmp_path / "out")["/fused/image/compressed"]
    image = cv2.imdecode(np.frombuffer(first.message.data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(image[..., ::-1], expected(0))


def test_raw_counts_are_normalized_and_another_size_scaled(lut_fuse, tmp_path):
    found = []
    for index, stamp in enumerate(STAMPS):
        small = np.ascontiguousarray(FRAMES[index].infrared[::2, ::2])
        found.append(bags.image(VISIBLE, FRAMES[index].visible, "rgb8", stamp))
        found.append(bags.image(INFRARED, small.astype(">u2"), "16UC1", stamp, is_bigendian=1))
    lut_fuse(bags.write(tmp_path / "in", found), tmp_path / "out")
    image = bags.read_mcap(tmp_path / "out")["/fused/image"][0].message
    assert (image.height, image.width) == (HEIGHT, WIDTH)
    assert np.frombuffer(image.data, np.uint8).std() > 5


def test_the_report_counts_everything(lut_fuse, tmp_path):
    lonely = [entry for entry in entries() if entry.topic != INFRARED]
    lonely += [
        bags.image(INFRARED, GRAY[i], "mono8", STAMPS[i] + lag * MILLI)
        for i, lag in ((0, 1), (1, 45), (2, 3))
    ]
    bag = bags.write(tmp_path / "in", sorted(lonely, key=lambda entry: entry.recorded))
    status, out, _ = lut_fuse(bag, tmp_path / "out", "--json")
    report = json.loads(out)
    assert status == 0
    assert (report["pairs"], report["unpaired_visible"], report["unpaired_infrared"]) == (2, 4, 1)
    assert report["copied"] == len(lonely) == report["messages_read"] == report["messages_recorded"]
    assert report["damage"] is None
    assert report["fps"] > 0


def test_a_wider_tolerance_and_reuse_fuse_cameras_of_different_rates(lut_fuse, tmp_path):
    slow = [e for e in entries() if e.topic != INFRARED]
    slow += [bags.image(INFRARED, GRAY[i], "mono8", STAMPS[i]) for i in (0, 3)]
    bag = bags.write(tmp_path / "in", sorted(slow, key=lambda entry: entry.recorded))
    options = ("--tolerance", "0.2", "--reuse-infrared", "--json")
    report = json.loads(lut_fuse(bag, tmp_path / "out", *options)[1])
    assert report["pairs"] == PAIRS


def test_images_without_stamps_are_paired_by_when_they_were_recorded(lut_fuse, tmp_path):
    found = [
        entry
        for index, stamp in enumerate(STAMPS)
        for entry in (
            bags.image(VISIBLE, FRAMES[index].visible, "rgb8", stamp, header=bags.header(0)),
            bags.image(INFRARED, GRAY[index], "mono8", stamp + MILLI, header=bags.header(0)),
        )
    ]
    report = json.loads(lut_fuse(bags.write(tmp_path / "in", found), tmp_path / "out", "--json")[1])
    assert (report["pairs"], report["unstamped"]) == (PAIRS, 2 * PAIRS)


def test_unusable_images_are_skipped_counted_and_said(lut_fuse, tmp_path):
    found = entries()
    short = bags.image(VISIBLE, FRAMES[2].visible, "rgb8", STAMPS[2], data=np.zeros(7, np.uint8))
    found = [short if e.topic == VISIBLE and e.recorded == short.recorded else e for e in found]
    garbage = bags.Entry(INFRARED, bags.IMAGE, STAMPS[5] + 4 * MILLI, b"\x00\x01\x00\x00garbage")
    found += [garbage, bags.Entry("/visible/camera_info", bags.INFO, STAMPS[5], garbage.data)]
    status, out, errors = lut_fuse(bags.write(tmp_path / "in", found), tmp_path / "out", "--json")
    report = json.loads(out)
    assert status == 1
    assert (report["pairs"], report["unusable"]) == (PAIRS - 1, 3)
    assert "3 messages could not be used" in errors
    assert len(bags.read_mcap(tmp_path / "out", "/fused/image")["/fused/image"]) == PAIRS - 1


def test_unknown_message_types_of_old_bags_are_copied_too(lut_fuse, tmp_path):
    bag = bags.write(tmp_path / "in", entries(), "sqlite3")
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:  # as Humble writes them: no definitions, no hashes
        database.executescript(
            "DROP TABLE message_definitions; DROP TABLE schema;"
            f"UPDATE topics SET type = '{SECRET}' WHERE name = '/chatter';"
            "ALTER TABLE topics DROP COLUMN type_description_hash;"
        )
    database.close()
    metadata = bag / "metadata.yaml"
    content = YAML(typ="safe").load(metadata.read_text().replace(bags.TEXT, SECRET))
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        del topic["topic_metadata"]["type_description_hash"]
    with metadata.open("w") as stream:
        YAML(typ="safe").dump(content, stream)
    for storage in ("sqlite3", "mcap"):
        out = tmp_path / storage
        status, _, errors = lut_fuse(bag, out, "--storage", storage)
        assert (errors, status) == ("", 0)
        assert "RIHS01_unknown" not in (out / "metadata.yaml").read_text()
    assert len(bags.read_sqlite(tmp_path / "sqlite3")["/chatter"]) == PAIRS


def test_the_second_time_asks_before_replacing(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    assert lut_fuse(bag, out)[0] == 0
    status, _, errors = lut_fuse(bag, out)
    assert status == 2
    assert "--overwrite" in errors
    assert lut_fuse(bag, out, "--overwrite", "--no-copy")[0] == 0
    assert bags.read_mcap(out).keys() == {"/fused/image", "/fused/camera_info"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_one_infrared_image_can_serve_as_long_as_the_tolerance_says(lut_fuse, tmp_path):
    lone = [e for e in entries() if e.topic != INFRARED]
    lone.insert(0, bags.image(INFRARED, GRAY[0], "mono8", STAMPS[0] - 400 * MILLI))
    bag = bags.write(tmp_path / "in", lone)
    options = ("--tolerance", "3", "--reuse-infrared", "--json")
    report = json.loads(lut_fuse(bag, tmp_path / "out", *options)[1])
    assert (report["pairs"], report["unusable"]) == (PAIRS, 0)


def slow_infrared(tmp_path) -> Path:
    """A bag with infrared images for the first and the fourth visible one only."""
    slow = [e for e in entries() if e.topic != INFRARED]
    slow += [bags.image(INFRARED, GRAY[i], "mono8", STAMPS[i]) for i in (0, 3)]
    return bags.write(tmp_path / "in", sorted(slow, key=lambda entry: entry.recorded))


@pytest.mark.parametrize(("age", "pairs"), [(0.05, 2), (0.11, 5), (0.2, 6)])
def test_reused_infrared_serves_up_to_its_age(lut_fuse, tmp_path, age, pairs):
    options = ("--reuse-infrared", "--max-infrared-age", age, "--json")
    out = lut_fuse(slow_infrared(tmp_path), tmp_path / "out", *options)[1]
    assert json.loads(out)["pairs"] == pairs


def test_reused_infrared_can_move_along_with_the_visible_image(lut_fuse, tmp_path):
    bag = slow_infrared(tmp_path)
    options = ("--reuse-infrared", "--max-infrared-age", "0.2", "--no-copy")
    fused = {}
    for alignment in ("hold", "warp"):
        lut_fuse(bag, tmp_path / alignment, *options, "--reuse-alignment", alignment)
        messages = bags.read_mcap(tmp_path / alignment, "/fused/image")["/fused/image"]
        fused[alignment] = [bytes(each.message.data) for each in messages]
    same = [a == b for a, b in zip(fused["hold"], fused["warp"], strict=True)]
    assert (same[0], same[3], all(same)) == (True, True, False)


def test_a_known_offset_between_the_clocks_is_taken_off(lut_fuse, tmp_path):
    bag = bags.write(tmp_path / "in", entries(lag=70 * MILLI))
    options = ("--tolerance", "0.001", "--clock-offset", "0.07", "--json")
    assert json.loads(lut_fuse(bag, tmp_path / "out", *options)[1])["pairs"] == PAIRS


def test_an_unknown_offset_between_the_clocks_is_found(lut_fuse, tmp_path):
    scene = StreetScene(SceneConfig(width=64, height=48, rate=10.0, people=6, cars=4))
    found = []
    for index in range(100):
        frame, stamp = scene.frame(index), START + index * 100 * MILLI
        found.append(bags.image(VISIBLE, frame.visible, "rgb8", stamp))
        late = bags.image(INFRARED, frame.infrared, "16UC1", stamp + 300 * MILLI)
        found.append(replace(late, recorded=stamp + 5 * MILLI))
    bag = bags.write(tmp_path / "in", found)
    options = ("--tolerance", "0.049", "--clock-offset", "auto", "--no-copy", "--json")
    _, out, errors = lut_fuse(bag, tmp_path / "out", *options)
    estimate = re.search(r"infrared clock is (\S+) s ahead", errors)
    assert float(estimate[1]) == pytest.approx(0.3, abs=0.05)
    assert json.loads(out)["pairs"] == 100


@pytest.mark.parametrize("clock", ["report", "correct"])
def test_a_wrong_offset_is_put_right_along_the_way_when_told_to(
    lut_fuse, model_file, tmp_path, clock
):
    """Clocks 0.3 s apart, said to be 0.25 s: neighbors pair until the estimate takes over."""
    views, found = swinging_cameras(300), []
    for index, view in enumerate(views):
        stamp = START + index * 50 * MILLI
        found.append(bags.image(VISIBLE, np.dstack([view] * 3), "rgb8", stamp))
        late = bags.image(INFRARED, 255 - view, "mono8", stamp + 300 * MILLI)
        found.append(replace(late, recorded=stamp + 5 * MILLI))
    bag = bags.write(tmp_path / "in", found)
    options = ("--clock-offset", "0.25", "--clock", clock, "--tolerance", "0.02", "--no-copy")
    _, out, errors = lut_fuse(bag, tmp_path / "out", *options, "--json")
    assert json.loads(out)["clock_offset"] == pytest.approx(0.3, abs=0.02)
    assert "infrared clock is +0.3" in errors
    fuser = Fuser(model_file, backend="reference")
    right = []
    for read in bags.read_mcap(tmp_path / "out", "/fused/image")["/fused/image"][-100:]:
        view = views[(nanoseconds(read.message) - START) // (50 * MILLI)]
        fused = fuser.fuse(np.dstack([view] * 3), 255 - view)
        right.append(bytes(read.message.data) == fused.tobytes())
    assert all(right) == (clock == "correct")


# What cannot work, and what is said about it.


def refused(lut_fuse, out: Path, *arguments: object) -> str:
    """The one sentence of a run that must fail with status 2 and leave nothing."""
    before = sorted(out.parent.iterdir())
    status, stdout, errors = lut_fuse(*arguments)
    assert (status, stdout) == (2, "")
    assert sorted(out.parent.iterdir()) == before
    assert errors.count("\n") == 1
    return errors


def test_a_missing_bag_is_refused(lut_fuse, tmp_path):
    assert "no bag" in refused(lut_fuse, tmp_path / "out", tmp_path / "nowhere", tmp_path / "out")


@pytest.mark.parametrize("name", ["notes.txt", "old.bag", "empty.mcap", "noise.db3"])
def test_a_file_that_is_no_bag_is_refused(lut_fuse, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"" if name.startswith("empty") else b"not a bag at all" * 100)
    assert "bag" in refused(lut_fuse, tmp_path / "out", file, tmp_path / "out")


def test_a_folder_without_a_bag_is_refused(lut_fuse, tmp_path):
    (tmp_path / "folder").mkdir()
    words = refused(lut_fuse, tmp_path / "out", tmp_path / "folder", tmp_path / "out")
    assert "no .mcap and no .db3" in words


def test_a_wrong_topic_lists_the_image_topics_that_are_there(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    words = refused(lut_fuse, out, bag, out, "--visible", "/rgb/image")
    assert f"{VISIBLE} (rgb8, 64x48, 6 images)" in words
    assert INFRARED in words


def test_a_topic_of_another_type_is_refused(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    words = refused(lut_fuse, out, bag, out, "--infrared", "/chatter")
    assert "std_msgs/msg/String" in words


def test_one_topic_cannot_be_both(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    words = refused(lut_fuse, out, bag, out, "--visible", VISIBLE, "--infrared", VISIBLE)
    assert "both" in words


def test_a_bag_without_images_is_refused(lut_fuse, tmp_path):
    bag = bags.write(tmp_path / "in", [bags.text("/chatter", "hello", START)])
    assert "no image topics" in refused(lut_fuse, tmp_path / "out", bag, tmp_path / "out")


def test_ambiguous_topics_must_be_chosen(lut_fuse, tmp_path):
    extra = [bags.image("/rear/image_raw", FRAMES[0].visible, "rgb8", STAMPS[0])]
    bag, out = bags.write(tmp_path / "in", entries() + extra), tmp_path / "out"
    words = refused(lut_fuse, out, bag, out)
    assert "more than one topic looks like the visible camera" in words
    assert "--visible" in words
    assert lut_fuse(bag, out, "--visible", VISIBLE)[0] == 0


def test_no_pairs_within_the_tolerance_says_how_far_apart_they_are(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries(lag=50 * MILLI)), tmp_path / "out"
    words = refused(lut_fuse, out, bag, out, "--tolerance", "0.01")
    assert "0.050 s apart" in words
    assert "--tolerance" in words


def test_a_topic_that_is_taken_is_refused(lut_fuse, tmp_path):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    assert "already" in refused(lut_fuse, out, bag, out, "--fused", "/chatter")


@pytest.mark.parametrize("name", ["in", "notes", "out.mcap"])
def test_an_output_that_is_something_else_is_not_touched(lut_fuse, tmp_path, name):
    bag = bags.write(tmp_path / "in", entries())
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "keep.txt").write_text("mine")
    refused(lut_fuse, tmp_path / name, bag, tmp_path / name, "--overwrite")
    assert (tmp_path / "notes" / "keep.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "options",
    [
        ("--clock-offset", "much"),
        ("--clock-offset", "auto"),
        ("--strength", "2"),
        ("--tolerance", "-1"),
        ("--fused", "fused"),
        ("--tolerance", "nan"),
        ("--max-infrared-age", "0.5"),
        ("--reuse-infrared", "--max-infrared-age", "-1"),
    ],
)
def test_impossible_options_are_refused(lut_fuse, tmp_path, options):
    bag, out = bags.write(tmp_path / "in", entries()), tmp_path / "out"
    refused(lut_fuse, out, bag, out, *options)


# Damaged recordings.


LONG = 30


@pytest.fixture(scope="module")
def long_bags(tmp_path_factory) -> dict[str, Path]:
    """Recordings of 30 pairs, large enough for several chunks of MCAP."""
    folder = tmp_path_factory.mktemp("long")
    for storage in ("mcap", "sqlite3"):
        config = SceneConfig(width=128, height=96, rate=10.0)
        record_street(folder / storage, config, LONG, storage=storage)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def long_bag(long_bags, tmp_path):
    """A copy of one of them, to be damaged."""
    return lambda storage: Path(shutil.copytree(long_bags[storage], tmp_path / "long"))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_truncated_bag_is_fused_as_far_as_it_goes(lut_fuse, long_bag, tmp_path, storage, closed):
    bag, out = long_bag(storage), tmp_path / "out"
    (file,) = (path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    os.truncate(file, int(file.stat().st_size * 0.6))
    if not closed:  # the recorder was killed
        (bag / "metadata.yaml").unlink()
    status, stdout, errors = lut_fuse(bag, out, "--json")
    report = json.loads(stdout)
    assert status == 2
    assert "damaged" in errors
    assert LONG // 3 <= report["pairs"] <= 2 * LONG // 3
    if closed:
        assert report["messages_recorded"] == 4 * LONG
        assert f"{report['messages_read']} of {4 * LONG} messages" in errors
    read = bags.read_mcap(out) if storage == "mcap" else bags.read_sqlite(out)
    assert len(read["/fused/image"]) == report["pairs"]


def test_a_recording_that_was_not_closed_but_is_complete_is_read_whole(
    lut_fuse, long_bag, tmp_path
):
    bag = long_bag("sqlite3")
    (bag / "metadata.yaml").unlink()
    _, stdout, errors = lut_fuse(bag, tmp_path / "out", "--json")
    assert json.loads(stdout)["pairs"] == LONG
    assert "no metadata.yaml" in errors


def test_a_single_mcap_file_without_its_folder_is_a_bag_too(lut_fuse, tmp_path):
    (file,) = bags.write(tmp_path / "in", entries()).glob("*.mcap")
    alone = shutil.copy(file, tmp_path / "alone.mcap")
    status, _, errors = lut_fuse(alone, tmp_path / "out")
    assert (status, errors) == (0, "")


def test_the_parts_of_a_split_recording_that_was_not_closed_are_read_in_turn(lut_fuse, tmp_path):
    split = tmp_path / "split"
    split.mkdir()
    for part, chosen in ((9, slice(None, 12)), (10, slice(12, None))):
        (file,) = bags.write(tmp_path / f"part{part}", entries()[chosen]).glob("*.mcap")
        file.rename(split / f"split_{part}.mcap")
    report = json.loads(lut_fuse(split, tmp_path / "out", "--json")[1])
    assert (report["pairs"], report["messages_read"]) == (PAIRS, len(entries()))
    stamps = [
        nanoseconds(each.message) for each in bags.read_mcap(tmp_path / "out")["/fused/image"]
    ]
    assert stamps == STAMPS


@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.FILE])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_compressed_bags_are_read(lut_fuse, tmp_path, storage, mode):
    bag = bags.write(tmp_path / "in", entries(), storage, compression=mode)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert (status, errors) == (0, "")


def test_a_bag_with_a_damaged_middle_is_fused_up_to_there(lut_fuse, tmp_path):
    found = entries() + [
        bags.text("/chatter", "x" * 300_000, STAMPS[-1] + 50 * MILLI + n) for n in range(6)
    ]
    found.append(bags.image(VISIBLE, FRAMES[0].visible, "rgb8", STAMPS[-1] + 900 * MILLI))
    bag = bags.write(tmp_path / "in", found, compression=CompressionMode.STORAGE)
    (file,) = bag.glob("*.mcap")
    content = bytearray(file.read_bytes())
    second = content.index(b"zstd", content.index(b"zstd") + 4)
    content[second + 30 : second + 60] = bytes(30)
    file.write_bytes(content)
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    report = json.loads(out)
    assert (status, report["pairs"]) == (2, PAIRS)
    assert f"of {len(found)} messages" in errors


FUSE = "import sys; from lut_fuse_core.cli import main; sys.exit(main(sys.argv[1:]))"
# Stops in the middle and says so, that a signal meets it there however fast it is.
FUSE_HALF = f"""
import time
from lut_fuse_core.backends.reference import ReferenceBackend
fuse, calls = ReferenceBackend.fuse, []
def fuse_half(*given):
    calls.append(None)
    if len(calls) == {LONG // 2}:
        print("half", flush=True)
        time.sleep(60)
    return fuse(*given)
ReferenceBackend.fuse = fuse_half
{FUSE}
"""


def start_fusing(
    bag: Path, out: Path, model_file: Path, program: str = FUSE, **options
) -> subprocess.Popen:
    words = ["bag", bag, out, "--overwrite", "--model", model_file, "--backend", "reference"]
    # Under nohup the tests ignore hang-ups, and their children would, too.
    options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_full_disk_leaves_the_old_output_intact(
    lut_fuse, long_bag, model_file, tmp_path, storage
):
    bag, out = long_bag(storage), tmp_path / "out"
    assert lut_fuse(bag, out, "--no-copy")[0] == 0
    before = {path: path.read_bytes() for path in out.iterdir()}

    def fill_the_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    process = start_fusing(bag, out, model_file, preexec_fn=fill_the_disk)
    errors = process.communicate(timeout=600)[1]
    assert process.returncode == 1
    assert errors.startswith("lut-fuse: ")
    assert "Traceback" not in errors
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long", "out"]


@pytest.mark.parametrize(
    ("number", "tidy"), [(signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGKILL, False)]
)
def test_a_kill_leaves_the_old_output_intact(
    lut_fuse, long_bag, model_file, tmp_path, number, tidy
):
    bag, out = long_bag("mcap"), tmp_path / "out"
    assert lut_fuse(bag, out, "--no-copy")[0] == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    process = start_fusing(bag, out, model_file, FUSE_HALF)
    assert process.stdout.readline() == "half\n"
    assert any(tmp_path.glob(".out.*.partial/out/*.mcap"))
    process.send_signal(number)
    process.communicate(timeout=600)
    assert process.returncode == (130 if tidy else -signal.SIGKILL)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert any(tmp_path.glob(".out.*")) != tidy
