"""`lut-fuse export`: data sets that the libraries they are for can open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import bags
import cv2
import foreign_bags as foreign
import numpy as np
import pytest
import yaml

from lut_fuse_core.cli import main
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.export.examples import ImageSettings
from lut_fuse_core.export.recordings import RecordedPair, thinned
from lut_fuse_core.export.split import Split

Export = Callable[..., tuple[int, str, str]]
RATE, PAIRS = 10.0, 6
KINDS = ("fused", "visible", "infrared")


def write_bag(path: Path, first: int, size: tuple[int, int] | None = None) -> None:
    """A bag of `PAIRS` pairs at `RATE`."""
    entries = []
    for index in range(PAIRS):
        stamp = bags.START + (100 * first + index) * foreign.STEP
        color = foreign.color(first + index)
        color = color if size is None else cv2.resize(color, size)
        entries += [
            bags.image(foreign.VISIBLE, color, "rgb8", stamp),
            bags.image(foreign.INFRARED, foreign.counts(first + index), "16UC1", stamp),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    bags.write(path, entries)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three bags in two folders; two of them are for training."""
    for number, name in enumerate(("north/a", "north/b", "south/c")):
        write_bag(tmp_path / "recordings" / name, number)
    return tmp_path / "recordings"


@pytest.fixture
def export(tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]) -> Export:
    """Run `lut-fuse export` into the folder ``out``; returns exit status, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        model = ("--model", model_file, "--backend", "reference", "--threads", 1)
        status = main(["export", *map(str, (*words, "-o", tmp_path / "out", *model))])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def annotate(path: Path, names: list[str]) -> Path:
    """Labels of two classes for these frames."""
    boxes = [
        {"class": "person", "box": [8, 10, 20, 40]},
        {"class": "car", "box": [30, 20, 62, 44]},
    ]
    path.write_text(json.dumps({name: {"boxes": boxes} for name in names}))
    return path


def stem(first: int, index: int) -> str:
    return str(bags.START + (100 * first + index) * foreign.STEP)


def test_coco_is_read_by_pycocotools_with_images_of_one_grid(
    recordings: Path, export: Export, tmp_path: Path
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    names = [f"north_a_{stem(0, 0)}", f"south_c_{stem(2, 5)}", "elsewhere"]
    labels = annotate(tmp_path / "labels.json", names)
    split = "train=0.5,val=0.5"
    words = ("--format", "coco", "--labels", labels, "--split", split, "--json")
    status, out, _ = export(recordings, *words)
    report = json.loads(out)
    assert status == 0
    assert (sum(report["frames"].values()), report["boxes"]) == (2, 4)
    assert report["unlabeled"] == 3 * PAIRS - 2
    found = {}
    for path in sorted((tmp_path / "out" / "annotations").glob("*.json")):
        data = coco.COCO(str(path))
        assert sorted(each["name"] for each in data.loadCats(data.getCatIds())) == ["car", "person"]
        for image in data.loadImgs(data.getImgIds()):
            found[Path(image["file_name"]).stem] = path.stem
            for kind in KINDS:
                file = tmp_path / "out" / kind / path.stem / image["file_name"]
                shape = cv2.imread(str(file), cv2.IMREAD_UNCHANGED).shape
                assert shape[:2] == (image["height"], image["width"]) == (48, 64)
                assert len(shape) == (2 if kind == "infrared" else 3)
            person = data.loadAnns(data.getAnnIds(image["id"], data.getCatIds(["person"])))
            assert [each["bbox"] for each in person] == [[8, 10, 12, 30]]
    assert found.keys() == set(names[:2])
    # What was exported is read again by this program, too: as labels for another format.
    again = read_labels(tmp_path / "out" / "annotations" / f"{found[names[0]]}.json")
    assert {box.name for box in again.boxes[names[0]]} == {"car", "person"}


def test_yolo_folders_hold_images_labels_and_names(
    recordings: Path, export: Export, tmp_path: Path
) -> None:
    name = f"north_b_{stem(1, 2)}"
    labels = annotate(tmp_path / "labels.json", [name])
    words = ("--format", "yolo", "--labels", labels, "--split", "train=1", "--image-format", "jpg")
    assert export(recordings, *words)[0] == 0
    for kind in KINDS:
        folder = tmp_path / "out" / kind
        content = yaml.safe_load((folder / "data.yaml").read_text())
        assert sorted(content["names"].values()) == ["car", "person"]
        (image,) = (folder / content["train"]).iterdir()
        assert image.name == f"{name}.jpg"
        # As Ultralytics finds labels: by the path of the image.
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        rows = {line.split()[0]: line.split()[1:] for line in label.read_text().splitlines()}
        number = str(list(content["names"].values()).index("person"))
        assert np.array(rows[number], float) == pytest.approx(
            [14 / 64, 25 / 48, 12 / 64, 30 / 48], abs=1e-6
        )
        read = read_labels(folder / "labels" / "train")  # finds data.yaml two folders above
        assert {box.name for box in read.boxes[name]} == {"car", "person"}


def test_webdataset_reads_its_shards(recordings: Path, export: Export, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    status, _, errors = export(
        recordings, "--format", "webdataset", "--split", "train=1", "--rate", 5
    )
    assert (status, errors) == (0, "")
    (shard,) = (tmp_path / "out").glob("*.tar")
    assert shard.name == "train-000000.tar"
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode("rgb8"))
    assert len(samples) == 3 * PAIRS / 2
    for sample in samples:
        assert sample["fused.png"].shape == (48, 64, 3)
        assert sample["json"]["recording"] in ("north_a", "north_b", "south_c")
    first = next(each for each in samples if each["__key__"] == f"north_a_{stem(0, 0)}")
    assert np.array_equal(first["visible.png"], foreign.color(0))
    assert first["json"]["time"] == bags.START / 1e9


def test_lerobot_opens_its_data_set(recordings: Path, export: Export, tmp_path: Path) -> None:
    lerobot = pytest.importorskip(
        "lerobot.datasets.lerobot_dataset", reason="no LeRobot: pip install '.[lerobot]'"
    )
    status, _, errors = export(recordings, "--format", "lerobot", "--split", "train=1", "--rate", 5)
    assert (status, errors) == (0, "")
    data = lerobot.LeRobotDataset("lut-fuse/train", root=tmp_path / "out" / "train")
    assert (data.num_episodes, data.num_frames, data.fps) == (3, 3 * PAIRS / 2, 5)
    shown = data[4]
    assert shown["observation.images.fused"].shape == (3, 48, 64)
    assert shown["timestamp"].item() == pytest.approx(0.2)
    visible = data[0]["observation.images.visible"].numpy().transpose(1, 2, 0)
    assert np.array_equal(np.round(visible * 255), foreign.color(0))


def test_the_exported_images_are_those_that_a_fused_bag_holds(
    recordings: Path, export: Export, tmp_path: Path, model_file: Path
) -> None:
    export(recordings / "north" / "a", "--format", "coco", "--split", "train=1")
    words = ["bag", recordings / "north" / "a", tmp_path / "bag", "--model", model_file]
    assert main([*map(str, words), "--backend", "reference"]) == 0
    for index, message in enumerate(bags.read_mcap(tmp_path / "bag")["/fused/image"]):
        file = tmp_path / "out" / "fused" / "train" / f"a_{stem(0, index)}.png"
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        assert image.tobytes() == bytes(message.message.data)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_no_format_is_given_settings_of_another_which_opencv_would_complain_of(
    suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = SimpleNamespace(image=lambda _: np.zeros((8, 8), np.uint8))
    assert ImageSettings(suffix=suffix).encoded(frame, "infrared")
    assert capfd.readouterr().err == ""


def test_a_data_set_of_pairs_is_exported_with_its_boxes(
    shared: Path, export: Export, tmp_path: Path
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    folder = shared / "data" / "roadscene" / "train"
    boxes = json.loads((folder.parent / "boxes.json").read_text())
    here = [name for name in boxes if list((folder / "visible").glob(f"{name}.*"))]
    chosen = {name: boxes[name] for name in here[:2]}
    (tmp_path / "labels.json").write_text(json.dumps(chosen))
    for kind in ("visible", "infrared"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for name in chosen:
            (source,) = (folder / kind).glob(f"{name}.*")
            (tmp_path / "set" / kind / source.name).write_bytes(source.read_bytes())
    words = ("--labels", tmp_path / "labels.json", "--split", "train=1", "--format", "coco")
    assert export(tmp_path / "set", *words)[0] == 0
    data = coco.COCO(str(tmp_path / "out" / "annotations" / "train.json"))
    assert len(data.getAnnIds()) == sum(len(each["boxes"]) for each in chosen.values())


def test_videos_are_exported_with_their_partners(export: Export, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    for site in ("x", "y"):
        for camera in ("rgb", "thermal"):
            path = tmp_path / "clips" / site / f"{camera}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            with av.open(str(path), "w") as container:
                stream = container.add_stream("libx264", rate=10, width=64, height=48)
                stream.pix_fmt = "yuv420p"
                for index in range(5):
                    pixels = foreign.color(index)
                    if camera == "thermal":
                        pixels = np.dstack([pixels[..., 0]] * 3)
                    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
    partner = tmp_path / "clips" / "*" / "thermal.mp4"
    words = ("--partner", partner, "--format", "coco", "--split", "train=1", "--json")
    status, out, errors = export(tmp_path / "clips" / "*" / "rgb.mp4", *words)
    assert (status, errors) == (0, "")
    assert json.loads(out)["frames"] == {"train": 10}
    names = sorted(path.name for path in (tmp_path / "out" / "fused" / "train").iterdir())
    assert names[0] == "x_rgb_00000000.png"


def set_of_one_pair(folder: Path) -> Path:
    for kind, pixels in (("visible", foreign.color(0)), ("infrared", foreign.counts(0))):
        (folder / kind).mkdir(parents=True)
        cv2.imwrite(str(folder / kind / "one.png"), pixels)
    return folder


def test_recordings_whose_names_differ_behind_a_point_are_not_mixed(
    export: Export, tmp_path: Path
) -> None:
    sets = [set_of_one_pair(tmp_path / f"drive.{number}") for number in (2, 1)]
    words = ("--format", "coco", "--images", "fused", "--split", "train=1", "--json")
    status, out, _ = export(*sets, *words)
    assert (status, json.loads(out)["recordings"]) == (0, {"train": 2})
    names = sorted(path.name for path in (tmp_path / "out" / "fused" / "train").iterdir())
    assert names == ["drive.1_one.png", "drive.2_one.png"]


def test_recordings_that_would_have_one_name_are_refused(export: Export, tmp_path: Path) -> None:
    write_bag(tmp_path / "bags" / "a" / "b", 0)
    write_bag(tmp_path / "bags" / "a_b", 1)
    status, _, errors = export(tmp_path / "bags", "--format", "coco")
    assert status == 2
    assert "would have the name a_b in common" in errors


def test_of_two_images_of_one_stem_none_is_taken(export: Export, tmp_path: Path) -> None:
    folder = set_of_one_pair(tmp_path / "set")
    cv2.imwrite(str(folder / "visible" / "one.jpg"), foreign.color(3))
    partner = ("--partner", folder / "infrared")
    status, _, errors = export(folder / "visible", *partner, "--format", "coco")
    assert status == 2
    assert "one.jpg and one.png" in errors


# The split.


def test_a_recording_is_never_divided_and_stays_where_it_is_when_others_come() -> None:
    split = Split((("train", 0.7), ("val", 0.2), ("test", 0.1)))
    names = [Path(f"site{number % 7}") / f"drive{number}" for number in range(2000)]
    parts = [split.of(name) for name in names]
    assert parts == [split.of(name) for name in names]
    shares = {part: parts.count(part) / len(parts) for part in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.7, "val": 0.2, "test": 0.1}, abs=0.03)


def test_all_recordings_of_a_folder_can_stay_together() -> None:
    split = Split((("train", 0.5), ("val", 0.5)), "folder")
    by_folder = {
        folder: {split.of(Path(f"drive{folder}") / f"piece{number}") for number in range(9)}
        for folder in range(20)
    }
    assert all(len(parts) == 1 for parts in by_folder.values())
    assert len(set.union(*by_folder.values())) == 2
    assert split.of(Path("alone")) in ("train", "val")


def test_a_rate_keeps_the_first_pair_of_each_interval() -> None:
    def pair(time: float) -> RecordedPair:
        return RecordedPair(str(time), lambda: None, time, time)  # type: ignore[arg-type, return-value]

    times = [5.0, 5.03, 5.07, 5.1, 5.13, 5.41, 5.45, 5.5]
    assert [each.visible_time for each in thinned(map(pair, times), 10)] == [5.0, 5.1, 5.41, 5.5]
    assert [each.visible_time for each in thinned(map(pair, times), 100)] == times
    again = [9.0, 9.05, 9.1, 5.0, 5.05, 5.1, 9.0, 9.05]
    assert [each.visible_time for each in thinned(map(pair, again), 10)] == [
        *(9.0, 9.1, 5.0, 5.1, 9.0)
    ]


# What cannot work, and what is said about it.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--split", "train=0.5,val=0.6"), "the shares add up to 1.1, not to 1"),
        (("--split", "train"), "'train' is not NAME=SHARE"),
        (("--split", "train=0.5,train=0.5"), "each given once"),
        (("--split", "a/b=1"), "names must be words"),
        (("--rate", "0"), "--rate is 0; it must be above 0"),
        (("--labels", "missing.json"), "no label file or folder missing.json"),
        (("--format", "lerobot"), "say how many per second with --rate"),
        (("--format", "lerobot", "--rate", "1", "--labels", "x.json"), "no place for boxes"),
        (("--strength", "2"), "strength"),
    ],
)
def test_an_export_that_cannot_be_done_is_refused_and_nothing_written(
    recordings: Path, export: Export, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    words = words if "--format" in words else ("--format", "coco", *words)
    status, out, errors = export(recordings, *words)
    assert (status, out) == (2, "")
    assert message in errors
    assert errors.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recordings"]


def test_labels_for_none_of_the_frames_are_refused(
    recordings: Path, export: Export, tmp_path: Path
) -> None:
    labels = annotate(tmp_path / "labels.json", ["other"])
    status, _, errors = export(recordings, "--format", "yolo", "--labels", labels)
    assert status == 2
    assert "none of the 18 frames has labels" in errors
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_there_is_kept(recordings: Path, export: Export, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    status, _, errors = export(recordings, "--format", "coco")
    assert status == 2
    assert "is there already" in errors
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bad_recording_stops_no_other_and_is_named(
    recordings: Path, export: Export, tmp_path: Path
) -> None:
    (recordings / "south" / "broken.mcap").write_bytes(b"junk" * 100)
    status, out, errors = export(recordings, "--format", "coco", "--split", "train=1")
    assert status == 1
    assert "south/broken: " in errors
    assert f"train: {3 * PAIRS} frames of 3 recordings" in out


def test_a_rate_of_images_without_times_is_refused(export: Export, tmp_path: Path) -> None:
    for kind, pixels in (("visible", foreign.color(0)), ("infrared", foreign.counts(0))):
        (tmp_path / "set" / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / kind / "one.png"), pixels)
    status, _, errors = export(tmp_path / "set", "--format", "coco", "--rate", 2)
    assert status == 2
    assert "has no times" in errors
    assert not (tmp_path / "out").exists()


def test_a_library_that_is_not_installed_is_named(
    recordings: Path, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name, rate in (("webdataset", ()), ("lerobot", ("--rate", 2))):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, name, None)
            status, _, errors = export(recordings, "--format", name, *rate)
        assert status == 1
        assert f"lut_fuse_ros[{name}]" in errors
        assert not (tmp_path / "out").exists()


def test_lerobot_takes_images_of_one_size(recordings: Path, export: Export, tmp_path: Path) -> None:
    pytest.importorskip(
        "lerobot.datasets.lerobot_dataset", reason="no LeRobot: pip install '.[lerobot]'"
    )
    write_bag(recordings / "south" / "large", 5, (128, 96))
    words = ("--format", "lerobot", "--rate", 5, "--split", "train=1")
    status, _, errors = export(recordings, *words)
    assert status == 2
    assert "a LeRobot data set has one size" in errors
    assert not (tmp_path / "out").exists()
