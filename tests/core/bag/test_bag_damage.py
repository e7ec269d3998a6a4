"""Damaged bags: what can be read is fused, else one sentence; nothing half-written, no surprise."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import bags
import cv2
import foreign_bags as foreign
import numpy as np
import pytest
from mcap.opcode import Opcode
from rosbags.rosbag2 import CompressionMode

from lut_fuse_core.bag.mcap_layout import MAGIC
from lut_fuse_core.bag.pairs import STEP, PairedReading
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import CameraTopics
from lut_fuse_core.synthetic import SceneConfig, StreetScene

Run = Callable[..., tuple[int, str, str]]
KINDS = {
    "plain": ("mcap", CompressionMode.NONE),
    "compressed": ("mcap", CompressionMode.STORAGE),
    "messages": ("mcap", CompressionMode.MESSAGE),
    "database": ("sqlite3", CompressionMode.NONE),
}
PAIRS = 4


@pytest.fixture
def lut_fuse(run_tool: Run) -> Run:
    """Run `lut-fuse bag`; returns exit status, stdout and stderr."""
    return partial(run_tool, "bag")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bag's file of each kind."""
    folder, found = tmp_path_factory.mktemp("whole"), {}
    entries = []
    for index in range(PAIRS):
        stamp = bags.START + index * foreign.STEP
        entries += [
            bags.image(foreign.VISIBLE, foreign.color(index), "rgb8", stamp),
            bags.image(foreign.INFRARED, foreign.counts(index), "16UC1", stamp),
            bags.info("/camera/camera_info", stamp, 50.0),
        ]
    for name, (storage, compression) in KINDS.items():
        bag = bags.write(folder / name, entries, storage, compression=compression)
        found[name] = next(path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    return found


def check(lut_fuse: Run, folder: Path, whole: Path, content: bytes) -> dict | None:
    """Fuse a damaged file; the report, or None if it was refused."""
    bag, out = folder / f"x{whole.suffix}", folder / "out"
    bag.write_bytes(content)
    status, stdout, errors = lut_fuse(bag, out, "--json", "--overwrite")
    assert sorted(path.name for path in folder.iterdir()) in (["out", bag.name], [bag.name])
    if not stdout:
        assert status == 2
        assert errors.count("\n") == 1
        assert not out.exists()
        return None
    report = json.loads(stdout)
    assert (status == 2) == bool(report["damage"])
    assert status != 0 or not errors
    return report


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_truncated_anywhere_is_fused_as_far_as_it_goes(
    lut_fuse: Run, files: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    whole = files[kind].read_bytes()
    pairs = []
    for place, size in enumerate(np.linspace(0, len(whole) - 1, 13).astype(int)):
        folder = tmp_path / str(place)
        folder.mkdir()
        report = check(lut_fuse, folder, files[kind], whole[:size])
        assert report is None or report["damage"]
        pairs.append(0 if report is None else report["pairs"])
    if kind != "compressed":  # whose only chunk goes with its end
        assert pairs == sorted(pairs)
        assert pairs[-1] >= PAIRS - 1


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_are_a_sentence_and_leave_nothing_half_written(
    lut_fuse: Run, files: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(3)
    whole = np.frombuffer(files[kind].read_bytes(), np.uint8)
    # Anywhere, and where the structure is dense: in the beginning and the end.
    places = [(0, whole.size), (0, min(whole.size, 2500)), (max(0, whole.size - 4500), whole.size)]
    for number in range(15):
        damaged = whole.copy()
        spots = rng.integers(*places[number % 3], size=int(rng.integers(1, 12)))
        damaged[spots] = rng.integers(0, 256, spots.size)
        folder = tmp_path / str(number)
        folder.mkdir()
        check(lut_fuse, folder, files[kind], damaged.tobytes())


def test_a_definition_that_makes_no_image_of_a_message_is_refused(
    lut_fuse: Run, tmp_path: Path
) -> None:
    for old, new in (
        (b"uint32 height", b"uint32 hexght"),
        (b"uint32 width", b"string width"),
        (b"uint8[] data", b"int16[] data"),
        (b"std_msgs/Header header", b"uint64 header"),
    ):
        bag = foreign.write_mcap(
            tmp_path / "x.mcap",
            bags.IMAGE,
            "ros2msg",
            foreign.DEFINITION.replace(old, new),
            "cdr",
            foreign.image_bytes,
        )
        status, _, errors = lut_fuse(bag, tmp_path / "out")
        assert status == 2
        assert errors.count("\n") == 1


def unchunked(path: Path, message: bytes = b"", attachment: bytes = b"") -> Path:
    """A whole MCAP file without chunks, some records in front of its messages."""

    whole = foreign.write_mcap(
        *(path, bags.IMAGE, "ros2msg", foreign.DEFINITION, "cdr", foreign.image_bytes),
        pairs=PAIRS, use_chunking=False,
    ).read_bytes()  # fmt: skip
    records = (
        struct.pack("<BQ", kind, len(content)) + content
        for kind, content in ((Opcode.MESSAGE, message), (Opcode.ATTACHMENT, attachment))
        if content
    )
    first = len(MAGIC) + 9 + struct.unpack_from("<Q", whole, len(MAGIC) + 1)[0]
    # The summary lies elsewhere now: it is not found, and all records are walked over.
    path.write_bytes(whole[:first] + b"".join(records) + whole[first:])
    return path


@pytest.mark.parametrize("record", ["message", "attachment"])
def test_a_record_that_is_too_short_is_named_and_the_others_are_read(
    lut_fuse: Run, tmp_path: Path, record: str
) -> None:
    bag = unchunked(tmp_path / "x.mcap", **{record: b"short"})
    status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
    report = json.loads(out)
    assert (status, report["pairs"]) == (2, PAIRS)
    assert record in report["damage"]
    assert errors.count("\n") == 1


def test_a_summary_whose_chunks_are_too_short_is_not_followed(tmp_path: Path, files) -> None:
    content = bytearray(files["plain"].read_bytes())
    with BagReader(files["plain"]) as whole:
        count = sum(whole.counts.values())
    (at,) = struct.unpack_from("<Q", content, len(content) - len(MAGIC) - 20)
    while content[at] != Opcode.CHUNK_INDEX:
        at += 9 + struct.unpack_from("<Q", content, at + 1)[0]
    struct.pack_into("<Q", content, at + 9 + 24, 3)  # the length of the chunk
    bag = tmp_path / "x.mcap"
    bag.write_bytes(content)
    with BagReader(bag) as reader:
        assert sum(1 for _ in reader.messages()) == count


def test_messages_that_cannot_be_used_do_not_pile_up(tmp_path: Path) -> None:
    bad = [
        replace(
            bags.image(topic, foreign.color(0), "rgb8", bags.START + index), data=bytes(1 << 20)
        )
        for index in range(20)
        for topic in (foreign.VISIBLE, foreign.INFRARED)
    ]
    with BagReader(bags.write(tmp_path / "in", bad)) as reader:
        visible, infrared = reader.topics
        reading = PairedReading(
            reader, CameraTopics(visible, infrared), reader.topics, 0,
            reuse_infrared=False, stamps="header", clock_offset=lambda: 0.0,
        )  # fmt: skip
        most = max(sum(len(each.data) for each in step.messages) for step in reading.steps())
    assert most <= STEP + (1 << 20)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("note", [bytes(4), b"GPS 12345 track"])
def test_what_was_appended_to_a_whole_file_is_no_damage(
    lut_fuse: Run, files: dict[str, Path], tmp_path: Path, kind: str, note: bytes
) -> None:
    report = check(lut_fuse, tmp_path, files[kind], files[kind].read_bytes() + note)
    assert report is not None
    assert (report["pairs"], report["damage"]) == (PAIRS, None)


def test_what_a_damaged_file_says_of_itself_is_quoted_on_one_line(lut_fuse: Run, tmp_path: Path):
    """Here the name of a chunk's compression, which a damaged length makes long."""
    path = foreign.write_mcap(
        tmp_path / "in.mcap", bags.IMAGE, "ros2msg", foreign.DEFINITION, "cdr", foreign.image_bytes
    )
    content = path.read_bytes()
    at = content.index(b"\x04\0\0\0zstd")
    path.write_bytes(content[: at + 4] + b"z\n\x07t" + content[at + 8 :])
    status, _, errors = lut_fuse(path, tmp_path / "out")
    assert status == 2
    assert len(errors.splitlines()) == 1
    assert "compressed as 'z ?t'" in errors


@pytest.mark.parametrize("without", [(), ("simplejpeg",)])
def test_a_damaged_jpeg_is_fused_and_named_in_a_sentence_whatever_decodes_it(
    lut_fuse: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without: tuple[str, ...],
):
    for name in without:
        monkeypatch.setitem(sys.modules, name, None)
    scene = StreetScene(SceneConfig(width=160, height=120)).frame(0)
    whole = cv2.imencode(".jpg", scene.visible)[1].tobytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 40] = b"\x55" * 40
    entries = []
    for index, data in enumerate((whole, bytes(damaged), whole)):
        stamp = bags.START + index * foreign.STEP
        entries += [
            bags.compressed("/visible/compressed", "rgb8; jpeg compressed bgr8", data, stamp),
            bags.image("/infrared", scene.infrared, "16UC1", stamp),
        ]
    bag = bags.write(tmp_path / "bag", entries)
    with (tmp_path / "stderr").open("w+b") as written:
        stderr = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            status, out, errors = lut_fuse(bag, tmp_path / "out", "--json")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    assert json.loads(out)["pairs"] == 3
    assert "1 compressed image was fused although the decoder reports 'Corrupt JPEG" in errors
    assert all(line.startswith("lut-fuse: ") for line in errors.splitlines())
    assert (tmp_path / "stderr").read_bytes() == b"", "the library says it, too"
    assert status == 0
