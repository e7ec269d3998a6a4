"""`lut-fuse bag` on bags that other programs, other hands and accidents have made of bags."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import bags
import numpy as np
import pytest
import zstandard
from bags import MILLI, START
from mcap.reader import make_reader
from mcap.writer import Writer
from ruamel.yaml import YAML
from swinging import swinging_cameras

from lut_fuse_core.bag.clock_offset import find_clock_offset

VISIBLE, INFRARED, INFO = "/visible/image_raw", "/infrared/image_raw", "/visible/camera_info"
PAIRS = 6
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(PAIRS)]
WARM = [np.ascontiguousarray(image[..., 0]) for image in IMAGES]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lut_fuse(run_tool: Run) -> Run:
    """Run `lut-fuse bag`; returns exit status, stdout and stderr."""
    return partial(run_tool, "bag")


def entries(count: int = PAIRS, late: int = 2 * MILLI, interval: int = 100 * MILLI) -> list:
    """Pairs of equal stamps whose infrared image is recorded later than the visible one."""
    found = []
    for index in range(count):
        stamp, pixels = START + index * interval, IMAGES[index % PAIRS]
        infrared = bags.image(INFRARED, WARM[index % PAIRS], "mono8", stamp)
        found += [
            bags.image(VISIBLE, pixels, "rgb8", stamp),
            replace(infrared, recorded=infrared.recorded + late),
            bags.text("/chatter", str(index), stamp),
        ]
    return sorted(found, key=lambda entry: entry.recorded)


def report(done: tuple[int, str, str]) -> dict:
    assert done[0] == 0, done[2]
    return json.loads(done[1])


@pytest.mark.parametrize("case", ["no bag", "more than a bag", "above the input"])
def test_nothing_but_a_bag_is_replaced(lut_fuse: Run, tmp_path: Path, case: str) -> None:
    target = tmp_path / "out"
    bag = bags.write(tmp_path / "in", entries())
    if case == "no bag":
        target.mkdir()
        (target / "metadata.yaml").write_text("title: my experiment\n")
    elif case == "more than a bag":
        bags.write(target, entries())
        (target / "calibration").mkdir()
        (target / "calibration" / "rig.yaml").write_text("mine")
    else:
        bags.write(target, entries())
        bag = bags.write(target / "sub" / "in", entries())
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    status, _, errors = lut_fuse(bag, target, "--overwrite")
    assert status == 2, errors
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_quality_of_service_edited_in_the_metadata_loses_no_topic(
    lut_fuse: Run, tmp_path: Path, storage: str
) -> None:
    bag = bags.write(tmp_path / "in", entries(), storage)
    yaml, file = YAML(typ="safe"), bag / "metadata.yaml"
    content = yaml.load(file.read_text())
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        profiles = topic["topic_metadata"]["offered_qos_profiles"]
        topic["topic_metadata"]["offered_qos_profiles"] = profiles.replace("depth: 5", "depth: 7")
    with file.open("w") as stream:
        yaml.dump(content, stream)
    assert "depth: 7" in file.read_text()
    found = report(lut_fuse(bag, tmp_path / "out", "--json"))
    assert (found["pairs"], found["copied"], found["damage"]) == (PAIRS, 3 * PAIRS, None)


def rewritten(bag: Path, target: Path, channels: int, metadata: list[dict]) -> Path:
    """The same messages in one MCAP file, each topic in several channels in turn."""
    (source,) = bag.glob("*.mcap")
    with source.open("rb") as stream, target.open("wb") as out:
        reader, writer = make_reader(stream), Writer(out)
        writer.start("ros2")
        known: dict[tuple[str, int], int] = {}
        for number, (schema, channel, message) in enumerate(reader.iter_messages()):
            key = (channel.topic, number // 3 % channels)
            if key not in known:
                number_of_schema = writer.register_schema(schema.name, schema.encoding, schema.data)
                facts = {**channel.metadata, **metadata[key[1] % len(metadata)]}
                known[key] = writer.register_channel(channel.topic, "cdr", number_of_schema, facts)
            writer.add_message(known[key], message.log_time, message.data, message.log_time)
        if not metadata[0]:
            text = writer.register_channel("/events", "json", 0)
            writer.add_message(text, START, b"{}", START)
        writer.finish()
    return target


@pytest.mark.parametrize("qos", ["same", "other"])
def test_a_topic_in_two_channels_is_one_topic(lut_fuse: Run, tmp_path: Path, qos: str) -> None:
    bag = bags.write(tmp_path / "in", entries())
    other = {"offered_qos_profiles": ""} if qos == "other" else {"x": "1"}
    merged = rewritten(bag, tmp_path / "merged.mcap", 2, [{"x": "1"}, other])
    found = report(lut_fuse(merged, tmp_path / "out", "--json"))
    assert (found["pairs"], found["copied"], found["damage"]) == (PAIRS, 3 * PAIRS, None)
    assert len(bags.read_mcap(tmp_path / "out")["/chatter"]) == PAIRS


def test_a_channel_that_is_not_ros_is_copied_as_it_is(lut_fuse: Run, tmp_path: Path) -> None:
    bag = bags.write(tmp_path / "in", entries())
    merged = rewritten(bag, tmp_path / "merged.mcap", 1, [{}])
    status, _, errors = lut_fuse(merged, tmp_path / "out")
    assert (status, errors) == (0, "")
    (file,) = (tmp_path / "out").glob("*.mcap")
    with file.open("rb") as stream:
        copied = [
            (schema, channel.message_encoding, message.data)
            for schema, channel, message in make_reader(stream).iter_messages("/events")
        ]
    assert copied == [(None, "json", b"{}")]


@pytest.mark.parametrize(("interval", "late"), [(16, 700), (33, 1500)])
def test_an_infrared_image_may_be_recorded_long_after_its_partner(
    lut_fuse: Run, tmp_path: Path, interval: int, late: int
) -> None:
    bag = bags.write(tmp_path / "in", entries(120, late * MILLI, interval * MILLI))
    found = report(lut_fuse(bag, tmp_path / "out", "--json", "--no-copy"))
    assert (found["pairs"], found["unpaired_visible"]) == (120, 0)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_compressed_recording_without_metadata_is_read(
    lut_fuse: Run, tmp_path: Path, storage: str
) -> None:
    bag = bags.write(tmp_path / "in", entries(), storage)
    (bag / "metadata.yaml").unlink()
    (file,) = (path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    file.with_name(f"{file.name}.zstd").write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()
    status, out, _ = lut_fuse(bag, tmp_path / "out", "--json")
    assert json.loads(out)["pairs"] == PAIRS
    assert status == 0


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_recording_beside_its_compressed_original_is_read_once(
    lut_fuse: Run, tmp_path: Path, storage: str
) -> None:
    bag = bags.write(tmp_path / "in", entries(), storage)
    (file,) = (path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    file.with_name(f"{file.name}.zstd").write_bytes(zstandard.compress(file.read_bytes()))
    found = report(lut_fuse(bag, tmp_path / "out", "--json"))
    assert (found["pairs"], found["messages_read"]) == (PAIRS, 3 * PAIRS)


@pytest.mark.parametrize("listed", ["3", "name", "{a: b}"])
def test_a_metadata_file_that_lists_no_files_is_not_in_the_way(
    lut_fuse: Run, tmp_path: Path, listed: str
) -> None:
    bag = bags.write(tmp_path / "in", entries())
    text = f"rosbag2_bagfile_information: {{version: 8, relative_file_paths: {listed}}}\n"
    (bag / "metadata.yaml").write_text(text)
    assert json.loads(lut_fuse(bag, tmp_path / "out", "--json")[1])["pairs"] == PAIRS


def test_a_first_image_that_is_damaged_hides_no_camera(lut_fuse: Run, tmp_path: Path) -> None:
    names = {VISIBLE: "/left/image_raw", INFRARED: "/right/image_raw"}
    given = []
    for index in range(PAIRS):
        stamp = START + 100 * MILLI * index
        counts = WARM[index].astype(np.uint16) * 16
        infrared = bags.image(names[INFRARED], counts, "16UC1", stamp)
        if not index:
            infrared = replace(infrared, data=infrared.data[:20])
        given += [bags.image(names[VISIBLE], IMAGES[index], "rgb8", stamp), infrared]
    bag = bags.write(tmp_path / "in", given)
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    assert (status, json.loads(out)["unusable"]) == (1, 1), errors


def test_messages_that_were_compressed_one_by_one_are_read_without_metadata(
    lut_fuse: Run, tmp_path: Path
) -> None:
    packed = [replace(entry, data=zstandard.compress(entry.data)) for entry in entries()]
    bag = bags.write(tmp_path / "in", packed)
    (bag / "metadata.yaml").unlink()
    assert json.loads(lut_fuse(bag, tmp_path / "out", "--json")[1])["pairs"] == PAIRS


def test_the_newest_messages_of_a_database_may_be_in_its_log(lut_fuse: Run, tmp_path: Path) -> None:
    bag = bags.write(tmp_path / "in", entries(), "sqlite3")
    (file,) = bag.glob("*.db3")
    copy = tmp_path / "copy" / "copy.db3"
    copy.parent.mkdir()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
        rows = database.execute("SELECT * FROM messages ORDER BY id").fetchall()
        database.execute("DELETE FROM messages WHERE id > 6")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        places = ", ".join("?" * len(rows[0]))
        database.executemany(f"INSERT OR IGNORE INTO messages VALUES ({places})", rows)
        database.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{file}{suffix}", f"{copy}{suffix}")
    database.close()
    found = report(lut_fuse(copy, tmp_path / "out", "--json"))
    assert (found["pairs"], found["damage"]) == (PAIRS, None)


def test_an_empty_raw_topic_does_not_hide_the_compressed_one(lut_fuse: Run, tmp_path: Path) -> None:
    import cv2

    found = []
    for index in range(PAIRS):
        stamp = START + index * 100 * MILLI
        data = cv2.imencode(".png", IMAGES[index])[1].tobytes()
        found.append(bags.compressed(f"{VISIBLE}/compressed", "png", data, stamp))
        found.append(bags.image(INFRARED, WARM[index], "mono8", stamp))
    bag = bags.write(tmp_path / "in", found, "sqlite3")
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(topics)")]
        row = dict(zip(columns, database.execute("SELECT * FROM topics").fetchone(), strict=True))
        row |= {"id": 99, "name": VISIBLE, "type": bags.IMAGE}
        places = ", ".join("?" * len(columns))
        database.execute(f"INSERT INTO topics VALUES ({places})", list(row.values()))
    database.close()
    (bag / "metadata.yaml").unlink()
    out = lut_fuse(bag, tmp_path / "out", "--json")[1]
    assert json.loads(out)["visible"] == f"{VISIBLE}/compressed"


def test_infos_that_begin_late_serve_the_images_before_them(lut_fuse: Run, tmp_path: Path) -> None:
    late = [bags.info(INFO, START + index * 100 * MILLI, 50.0) for index in range(5, PAIRS)]
    recording = sorted([*entries(), *late], key=lambda entry: entry.recorded)
    bag = bags.write(tmp_path / "in", recording)
    report(lut_fuse(bag, tmp_path / "out", "--json"))
    read = bags.read_mcap(tmp_path / "out", "/fused/image", "/fused/camera_info")
    stamps = [
        sorted((each.message.header.stamp.sec, each.message.header.stamp.nanosec) for each in found)
        for found in read.values()
    ]
    assert stamps[0] == stamps[1]
    assert len(stamps[0]) == PAIRS


@pytest.mark.parametrize("name", ["/rgb image", "/1st", "//double", "/trailing/", "relative"])
def test_a_name_that_is_no_topic_is_refused(lut_fuse: Run, tmp_path: Path, name: str) -> None:
    bag = bags.write(tmp_path / "in", entries())
    status, _, errors = lut_fuse(bag, tmp_path / "out", "--fused", name)
    assert status == 2
    assert "no topic name" in errors


def test_cameras_that_do_not_stamp_have_an_offset_too(tmp_path: Path) -> None:
    found = []
    for index, view in enumerate(swinging_cameras(150)):
        stamp = START + index * 100 * MILLI
        visible = bags.image(VISIBLE, np.dstack([view] * 3), "rgb8", 0)
        infrared = bags.image(INFRARED, 255 - view, "mono8", 0)
        found.append(replace(visible, recorded=stamp))
        found.append(replace(infrared, recorded=stamp + 300 * MILLI))
    bag = bags.write(tmp_path / "in", sorted(found, key=lambda entry: entry.recorded))
    assert find_clock_offset(bag).seconds == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_part_that_is_missing_is_damage(lut_fuse: Run, tmp_path: Path, storage: str) -> None:
    bag = bags.write(tmp_path / "in", entries(), storage)
    yaml, file = YAML(typ="safe"), bag / "metadata.yaml"
    content = yaml.load(file.read_text())
    content["rosbag2_bagfile_information"]["relative_file_paths"].append(f"in_1.{storage}")
    with file.open("w") as stream:
        yaml.dump(content, stream)
    status, out, _ = lut_fuse(bag, tmp_path / "out", "--json")
    assert (status, json.loads(out)["pairs"]) == (2, PAIRS)
    assert json.loads(out)["damage"]


def test_a_message_without_content_is_one_that_cannot_be_used(
    lut_fuse: Run, tmp_path: Path
) -> None:
    recording = entries()
    recording[0] = replace(recording[0], data=b"")
    kinds = {entry.topic for entry in recording}
    assert len(kinds) == 3
    found = lut_fuse(bags.write(tmp_path / "in", recording), tmp_path / "out", "--json")
    assert json.loads(found[1])["pairs"] >= PAIRS - 1


def test_clocks_an_hour_apart_are_told_by_how_much(lut_fuse: Run, tmp_path: Path) -> None:
    found, image = [], np.ascontiguousarray(IMAGES[0][:16, :16])
    for index in range(700):
        stamp = START + index * 33 * MILLI
        found.append(bags.image(VISIBLE, image, "rgb8", stamp))
        late = bags.image(INFRARED, image[..., 0].copy(), "mono8", stamp + 3_600_000 * MILLI)
        found.append(replace(late, recorded=stamp + 5 * MILLI))
    bag = bags.write(tmp_path / "in", found)
    status, _, errors = lut_fuse(bag, tmp_path / "out")
    assert status == 2
    assert "3600.000 s ahead of the visible ones" in errors
    assert "an hour off" in errors
    assert "--clock-offset 3600.000" in errors
    found = report(lut_fuse(bag, tmp_path / "out", "--clock-offset", "3600.000", "--json"))
    assert found["pairs"] == 700


@pytest.mark.parametrize("writable", [True, False])
def test_reading_a_log_leaves_nothing_behind(
    lut_fuse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: writable)
    bag = bags.write(tmp_path / "in", entries(), "sqlite3")
    (file,) = bag.glob("*.db3")
    copy = tmp_path / "copy.db3"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE topics SET id = id")
        database.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{file}{suffix}", f"{copy}{suffix}")
    database.close()
    before = sorted(path.name for path in tmp_path.iterdir())
    assert report(lut_fuse(copy, tmp_path / "out", "--json"))["pairs"] == PAIRS
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "out"])


def test_files_beside_a_bag_that_it_does_not_name_are_kept(lut_fuse: Run, tmp_path: Path) -> None:
    bag, target = bags.write(tmp_path / "in", entries()), bags.write(tmp_path / "out", entries())
    for name in ("field_trip.mcap", ".notes"):
        (target / name).write_text("mine")
        status, _, errors = lut_fuse(bag, target, "--overwrite")
        assert status == 2
        assert name in errors
        (target / name).unlink()
    assert lut_fuse(bag, target, "--overwrite")[0] == 0
