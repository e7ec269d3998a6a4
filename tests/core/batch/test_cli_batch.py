"""`lut-fuse batch`: many recordings, each whole or not at all, and going on where it was left."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bags
import cv2
import foreign_bags as foreign
import numpy as np
import pytest
from batch_work import dies_or_tells, fails_at_first, in_this_process, task

from lut_fuse_core.batch import workers
from lut_fuse_core.batch.inputs import BatchInput, Source, find_inputs
from lut_fuse_core.batch.manifest import Manifest, Recipe, Row, open_to_read
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.page import cause, outliers, render
from lut_fuse_core.batch.workers import KILLED, run_tasks
from lut_fuse_core.cli import batch_run as command
from lut_fuse_core.cli import main
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.video_writer import write_video

Run = Callable[..., tuple[int, str, str]]
PAIRS = 3


def write_bag(path: Path, first: int = 0, pairs: int = PAIRS) -> Path:
    entries = []
    for index in range(pairs):
        stamp = bags.START + (first + index) * foreign.STEP
        entries += [
            bags.image(foreign.VISIBLE, foreign.color(first + index), "rgb8", stamp),
            bags.image(foreign.INFRARED, foreign.counts(first + index), "16UC1", stamp),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    return bags.write(path, entries)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three bags in two folders, and one that is none."""
    for number, name in enumerate(("north/a", "north/b", "south/c")):
        write_bag(tmp_path / "recordings" / name, number)
    (tmp_path / "recordings" / "south" / "broken.mcap").write_bytes(b"junk" * 100)
    return tmp_path / "recordings"


@pytest.fixture
def job(tmp_path: Path, model_file: Path) -> Callable[..., Path]:
    """Writes a job file with the model of the tests."""

    def write(inputs: object = ("recordings",), **keys: object) -> Path:
        settings = {"model": str(model_file), "backend": "reference"}
        content = {"inputs": list(inputs), "output": "out", "workers": 1, **keys}
        content["settings"] = {**settings, **content.get("settings", {})}
        path = tmp_path / "job.yaml"
        path.write_text(json.dumps(content))  # JSON is YAML
        return path

    return write


@pytest.fixture
def batch(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `lut-fuse batch`; returns exit status, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        status = main(["batch", *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches without processes of their own, which take a second to start."""
    monkeypatch.setattr(command, "run_tasks", in_this_process)


def manifest(tmp_path: Path, columns: str) -> list[tuple]:
    database = sqlite3.connect(tmp_path / "out" / "batch.sqlite")
    rows = database.execute(f"SELECT {columns} FROM outputs ORDER BY output").fetchall()
    database.close()
    return rows


def test_all_bags_are_fused_and_a_bad_one_stops_none(
    recordings: Path, job, batch: Run, tmp_path: Path
) -> None:
    status, out, _ = batch(job(), "--json")
    report = json.loads(out)
    assert status == 1
    assert (report["fused"], report["pairs"], list(report["failed"])) == (
        3,
        3 * PAIRS,
        ["south/broken"],
    )
    for name in ("north/a", "north/b", "south/c"):
        assert len(bags.read_mcap(tmp_path / "out" / name)["/fused/image"]) == PAIRS
    assert manifest(tmp_path, "output, state, pairs") == [
        ("north/a", "fused", PAIRS),
        ("north/b", "fused", PAIRS),
        ("south/broken", "failed", 0),
        ("south/c", "fused", PAIRS),
    ]
    (facts, *_) = manifest(tmp_path, "size, digest, model, version, metrics, seconds, thumbnail")
    assert facts[0] == sum(each.stat().st_size for each in (recordings / "north/a").iterdir())
    assert all(facts[1:4])
    assert json.loads(facts[4]).keys() == {"EN", "SD", "AG", "luma"}
    image = cv2.imdecode(np.frombuffer(facts[6], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == 3 * 160
    page = (tmp_path / "out" / "batch.html").read_text()
    for words in ("Failures by cause", "does not begin like an MCAP file", "data:image/jpeg"):
        assert words in page


@pytest.mark.usefixtures("one_process")
def test_again_it_does_what_is_new_changed_failed_or_missing_and_nothing_else(
    recordings: Path, job, batch: Run, tmp_path: Path
) -> None:
    batch(job())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.mcap")}
    assert json.loads(batch(job(), "--json")[1])["unchanged"] == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    shutil.rmtree(recordings / "south" / "broken.mcap", ignore_errors=True)
    (recordings / "south" / "broken.mcap").unlink()
    write_bag(recordings / "south" / "new", 2)
    shutil.rmtree(recordings / "north" / "b")
    write_bag(recordings / "north" / "b", 3, 4)
    shutil.rmtree(tmp_path / "out" / "south" / "c")
    os.utime(next((recordings / "north" / "a").glob("*.mcap")))  # touched, not changed
    plan = batch(job(), "--dry-run")[1]
    assert "north/b (its input has changed)" in plan
    assert "south/c (its output is missing)" in plan
    assert "south/new (new)" in plan
    assert "3 inputs to fuse, 1 unchanged" in plan
    assert not (tmp_path / "out" / "south" / "c").exists()
    report = json.loads(batch(job(), "--json")[1])
    assert (report["fused"], report["unchanged"], report["pairs"]) == (3, 1, 2 * PAIRS + 4)
    plan = batch(job(bag={"tolerance": 0.01}), "--dry-run")[1]
    assert plan.count("(other settings)") == 4


@pytest.mark.usefixtures("one_process")
def test_files_that_the_settings_name_are_found_beside_the_job_and_watched_for_changes(
    job, batch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bag(tmp_path / "recordings" / "a")
    rig = tmp_path / "rig.txt"
    rig.write_text("1 0 0 0 1 0 0 0 1")
    monkeypatch.chdir("/")
    path = job(settings={"registration": "rig.txt"})
    assert json.loads(batch(path, "--json")[1])["fused"] == 1
    assert json.loads(batch(path, "--json")[1])["unchanged"] == 1
    rig.write_text("1 0 2 0 1 0 0 0 1")
    assert "(other settings)" in batch(path, "--dry-run")[1]


def test_a_plan_is_printed_as_json(recordings: Path, job, batch: Run, tmp_path: Path) -> None:
    plan = json.loads(batch(job(), "--dry-run", "--json")[1])
    assert plan["unchanged"] == 0
    assert plan["to_fuse"][0] == {
        "input": [str(recordings / "north" / "a")],
        "output": str(tmp_path / "out" / "north" / "a"),
        "reason": "new",
    }


@pytest.mark.usefixtures("one_process")
def test_videos_that_have_no_time_in_common_are_no_success(job, batch: Run, tmp_path: Path) -> None:
    pytest.importorskip("av")
    for camera in ("rgb", "thermal"):
        frames = [foreign.color(index) for index in range(4)]
        with write_video(tmp_path / f"{camera}.mp4", (64, 48), 10) as writer:
            for number, frame in enumerate(frames):
                writer.write(np.dstack([frame[..., 0]] * 3), number / 10)
    inputs = [{"visible": "rgb.mp4", "infrared": "thermal.mp4"}]
    status, out, errors = batch(job(inputs, settings={"clock_offset": -60}), "--json")
    assert status == 1, errors
    assert "no frame of" in json.loads(out)["failed"]["rgb.mp4"]
    assert not (tmp_path / "out" / "rgb.mp4").exists()


def test_a_dry_run_writes_nothing(recordings: Path, job, batch: Run, tmp_path: Path) -> None:
    status, out, _ = batch(job(), "--dry-run")
    assert status == 0
    assert "4 inputs to fuse" in out
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("one_process")
def test_videos_and_folders_are_paired_by_what_their_wildcards_stand_for(
    job, batch: Run, tmp_path: Path
) -> None:
    for site in ("x", "y"):
        for camera, pixels in (("rgb", foreign.color(0)), ("thermal", foreign.counts(0))):
            folder = tmp_path / "sets" / site / camera
            folder.mkdir(parents=True)
            order = pixels[..., ::-1] if pixels.ndim == 3 else pixels
            cv2.imwrite(str(folder / "one.png"), order)
    pairs = {"visible": "sets/*/rgb", "infrared": "sets/*/thermal"}
    status, _, errors = batch(job([pairs], fuse={"format": "jpg"}))
    assert (status, errors) == (0, "")
    assert sorted(
        str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.jpg")
    ) == [
        "x/rgb/one.jpg",
        "y/rgb/one.jpg",
    ]
    assert sorted(path.name for path in (tmp_path / "out" / "x").iterdir()) == ["rgb"]


BATCH = "import sys; from lut_fuse_core.cli import main; sys.exit(main(sys.argv[1:]))"

STOPS_AFTER_ONE = f"""
import time
from lut_fuse_core.batch.manifest import Manifest
finish = Manifest.finish
def finish_and_stop(self, *outcome):
    finish(self, *outcome)
    print("one", flush=True)
    time.sleep(600)
Manifest.finish = finish_and_stop
{BATCH}
"""
"""A batch that goes no further once its first output is in the manifest."""


def start(job_file: Path, program: str = BATCH, **options: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", program, "batch", str(job_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_batch_loses_only_what_was_under_way(
    recordings: Path, job, batch: Run, tmp_path: Path, number: int
) -> None:
    process = start(job(), STOPS_AFTER_ONE)
    assert process.stdout.readline() == "one\n"
    process.send_signal(number)
    process.communicate(timeout=600)
    if number == signal.SIGTERM:
        assert process.returncode == 130
        assert list((tmp_path / "out").rglob("*.partial")) == []
    assert batch(job(), "--json")[0] == 1  # because of the broken one
    states = manifest(tmp_path, "state")
    assert [state for (state,) in states] == ["fused", "fused", "failed", "fused"]
    assert list((tmp_path / "out").rglob("*.partial")) == []


@pytest.mark.usefixtures("one_process")
def test_a_full_disk_is_named_loses_nothing_and_passes(
    recordings: Path, job, batch: Run, tmp_path: Path
) -> None:
    write_bag(recordings / "north" / "large", pairs=40)

    def fill_the_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    process = start(job(), preexec_fn=fill_the_disk)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "north/large: " in errors
    assert list((tmp_path / "out").rglob("*.partial")) == []
    assert not (tmp_path / "out" / "north" / "large").exists()
    report = json.loads(batch(job(), "--json")[1])
    assert (report["fused"], report["unchanged"], report["pairs"]) == (1, 3, 40)


def test_the_manifest_can_be_read_while_a_batch_runs_but_no_other_may_write(
    tmp_path: Path,
) -> None:
    bag = write_bag(tmp_path / "bag")
    recipe = Recipe("{}", "model", "1")
    given = replace(task("bag"), input=BatchInput("bag", (bag,), Path("bag")))
    with Manifest(tmp_path / "out") as written:
        written.start(given, "bag", recipe)
        assert manifest(tmp_path, "output, state") == [("bag", "running")]
        with pytest.raises(InputError, match="another batch"):
            Manifest(tmp_path / "out")
        written.finish("bag", Outcome("fused", pairs=7))
        assert manifest(tmp_path, "state, pairs") == [("fused", 7)]
    with Manifest(tmp_path / "out") as again:
        assert again.why(given, "bag", recipe) == "its output is missing"


def test_a_manifest_that_is_none_is_refused_and_kept(
    recordings: Path, job, batch: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "batch.sqlite").write_text("my notes, of more than a few words" * 50)
    for words in ((), ("--dry-run",)):
        status, _, errors = batch(job(), *words)
        assert status == 2
        assert errors.count("\n") == 1
        assert "no manifest of a batch" in errors
    assert (tmp_path / "out" / "batch.sqlite").read_text().startswith("my notes")


LOADED = """
import sys
import lut_fuse_core.cli.bag, lut_fuse_core.cli.batch_run
print(sorted({"cv2", "rosbags", "mcap", "ruamel", "yaml", "ray", "av"} & sys.modules.keys()))
"""


def test_the_process_that_hands_out_tasks_loads_nothing_that_only_workers_need() -> None:
    """So that ten small bags are done before it would have loaded."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Workers.


def test_a_process_that_dies_takes_no_other_task_with_it() -> None:
    tasks = [task(name) for name in ("a", "deadly", "ccc", "dd")]
    done = {
        each.input.paths[0].name: outcome
        for each, outcome in run_tasks(tasks, dies_or_tells, workers=2, threads=1)
    }
    assert {name: outcome.state for name, outcome in done.items()} == {
        "a": "fused",
        "deadly": "failed",
        "ccc": "fused",
        "dd": "fused",
    }
    assert done["deadly"].error == KILLED


def test_a_process_that_dies_between_tasks_takes_none_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    class FirstOneDies(workers._Worker):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            if not made:
                self._process.kill()
                self._process.join()
            made.append(self)

    monkeypatch.setattr(workers, "_Worker", FirstOneDies)
    ((_, outcome),) = run_tasks([task("a")], dies_or_tells, workers=1, threads=1)
    assert (outcome.state, len(made)) == ("fused", 2)


@pytest.mark.parametrize(("retries", "state"), [(0, "failed"), (1, "fused")])
def test_what_may_pass_is_tried_again_as_often_as_asked(
    tmp_path: Path, retries: int, state: str
) -> None:
    tasks = [task(str(tmp_path / "mark"))]
    ((_, outcome),) = run_tasks(tasks, fails_at_first, workers=1, threads=1, retries=retries)
    assert outcome.state == state


# What cannot work, and what is said about it.


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"outptu": "x"}, "unknown key 'outptu'; is 'output' meant?"),
        ({"inputs": []}, "'inputs' is missing"),
        ({"inputs": ["recordings", "recordings/north"]}, "is an input twice"),
        ({"inputs": [7]}, "an input is 7"),
        ({"inputs": ["nowhere"]}, "there is no"),
        ({"inputs": ["recordings/*/z*"]}, "nothing to fuse matches"),
        ({"output": "recordings/north/a"}, "is the input"),
        ({"output": "recordings/north/a/fused"}, "lies in the input"),
        ({"output": "recordings/south/broken.mcap"}, "is a file; a batch writes a folder"),
        ({"workers": "many"}, "'workers' is 'many'"),
        ({"workers": 0}, "it must be 1 to 1024"),
        ({"retry": -1}, "retries is -1"),
        (
            {"bag": {"tolerence": 1}},
            "'tolerence' is no setting of 'lut-fuse bag'; is 'tolerance' meant?",
        ),
        ({"bag": {"tolerance": "wide"}}, "invalid float value: 'wide'"),
        ({"bag": {"tolerance": 99}}, "must be between 0 and 60"),
        ({"bag": [1]}, "'bag' must hold options"),
        ({"settings": {"strength": 2}}, "strength"),
        ({"settings": {"model": "missing"}}, "missing"),
    ],
)
def test_a_job_that_cannot_be_done_is_refused_and_nothing_written(
    recordings: Path, job, batch: Run, tmp_path: Path, keys: dict, words: str
) -> None:
    path = job(**{"inputs": ["recordings"], **keys})
    before = sorted(tmp_path.rglob("*"))
    status, out, errors = batch(path)
    assert (status, out) == (2, "")
    assert words in errors
    assert errors.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "content", ["[", "a: b: c", "text", "", "inputs: a\ninputs: b\noutput: c", "bag: {a: 1, a: 2}"]
)
def test_a_job_file_that_is_none_is_refused(batch: Run, tmp_path: Path, content: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(content)
    status, _, errors = batch(path)
    assert status == 2
    assert errors.count("\n") == 1


def test_a_place_where_nothing_may_be_written_is_named(
    recordings: Path, job, batch: Run, tmp_path: Path
) -> None:
    for place in ("/sys/lut-fuse-out", "/dev/null/out"):  # root may not write there either
        status, out, errors = batch(job(output=place))
        assert (status, out) == (1, "")
        assert errors.count("\n") == 1
        assert place.rsplit("/", 1)[0] in errors


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_input_that_may_not_be_read_fails_alone_and_is_named(
    recordings: Path, job, batch: Run, tmp_path: Path
) -> None:
    (data,) = (recordings / "north" / "a").glob("*.mcap")
    data.chmod(0)
    status, out, _ = batch(job(), "--json")
    report = json.loads(out)
    assert status == 1
    assert report["fused"] == 2
    assert "Permission denied" in report["failed"]["north/a"]


def test_folders_that_cannot_be_locked_are_not_said_to_be_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available") as raised:
        Manifest(tmp_path)
    assert raised.value.filename == str(tmp_path)


@pytest.mark.parametrize("open_it", [Manifest, open_to_read])
def test_a_database_with_another_table_of_that_name_is_no_manifest(
    tmp_path: Path, open_it: Callable[[Path], object]
) -> None:
    database = sqlite3.connect(tmp_path / "batch.sqlite")
    database.execute("CREATE TABLE outputs(name TEXT)")
    database.close()
    with pytest.raises(InputError, match="is no manifest of a batch"):
        open_it(tmp_path)


def test_partners_are_found_by_wildcards_that_exclude(tmp_path: Path) -> None:
    for name in ("a_rgb.mp4", "a_thermal.mp4", "b_rgb.mp4"):
        (tmp_path / name).touch()
    (found,) = find_inputs([Source("[!b]_rgb.mp4", "[!b]_thermal.mp4")], tmp_path / "out", tmp_path)
    assert [path.name for path in found.paths] == ["a_rgb.mp4", "a_thermal.mp4"]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a pattern since then")
def test_a_pattern_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pattern that can be used"):
        find_inputs([Source("bags/**x")], tmp_path / "out", tmp_path)


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write_bag(tmp_path / place / "bag")
    with pytest.raises(InputError, match="would both be written"):
        find_inputs([Source("one"), Source("two")], tmp_path / "out", tmp_path)


def test_outputs_within_the_searched_folder_are_no_inputs(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    write_bag(tmp_path / "out" / "bag")
    (found,) = find_inputs([Source(str(tmp_path))], tmp_path / "out", Path())
    assert found.paths == (tmp_path / "bag",)


def test_outputs_of_another_batch_are_no_inputs_unless_they_are_named(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    write_bag(tmp_path / "last night" / "bag")
    (tmp_path / "last night" / "batch.sqlite").touch()
    (found,) = find_inputs([Source(str(tmp_path))], tmp_path / "out", Path())
    assert found.paths == (tmp_path / "bag",)
    (found,) = find_inputs([Source("last night")], tmp_path / "out", tmp_path)
    assert found.paths == (tmp_path / "last night" / "bag",)


def test_a_link_to_a_folder_above_it_is_not_followed(tmp_path: Path) -> None:
    write_bag(tmp_path / "north" / "bag")
    for number in range(3):  # followed, they would make 3^40 folders
        (tmp_path / "north" / f"link{number}").symlink_to("..")
    (found,) = find_inputs([Source("north")], tmp_path / "out", tmp_path)
    assert found.paths == (tmp_path / "north" / "bag",)


def test_a_device_is_no_place_for_outputs(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    with pytest.raises(InputError, match="is a file; a batch writes a folder"):
        find_inputs([Source("bag")], Path("/dev/null"), tmp_path)


def test_an_input_that_is_there_twice_is_named_both_ways(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    (tmp_path / "link").symlink_to("bag")
    for sources in (["bag", "link"], ["bag", "./link/../bag"], ["bag", "bag"], ["."]):
        with pytest.raises(InputError, match=r"bag.* is an input twice|is an input twice.*bag"):
            find_inputs([Source(each) for each in sources], tmp_path / "out", tmp_path)


def test_an_output_that_holds_all_inputs_is_named(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    with pytest.raises(InputError, match="holds all inputs that match"):
        find_inputs([Source(str(tmp_path))], tmp_path, Path())


def test_a_video_without_partner_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a_rgb.mp4").touch()
    source = Source("*_rgb.mp4", "*_thermal.mp4")
    with pytest.raises(InputError, match="no infrared partner"):
        find_inputs([source], tmp_path / "out", tmp_path)


# The page.


def row(name: str, entropy: float, error: str = "") -> Row:
    state = "failed" if error else "fused"
    return Row(name, 10**6, state, 5, {"EN": entropy}, 1.0, error, 100.0, False)


def page_of(rows: list[Row], name: str = "x") -> str:
    return render(rows, name, lambda output: b"")


def test_outliers_are_named_worst_first() -> None:
    rows = [row(f"bag{index}", 7.0 + 0.01 * index) for index in range(10)]
    rows += [row("dark", 1.5), row("dim", 4.0)]
    assert [found[0].output for found in outliers(rows)] == ["dark", "dim"]
    assert "dark" in page_of(rows)
    assert outliers(rows[-3:]) == []


def test_failures_that_differ_in_names_and_numbers_have_one_cause() -> None:
    errors = [f"/data/{name}.mcap breaks off at byte {name}" for name in (17, 5000)]
    assert cause(errors[0]) == cause(errors[1])
    page = page_of([row(str(index), 1.0, error) for index, error in enumerate(errors)])
    assert page.count("breaks off at byte #") == 1
    assert "<script>" not in page_of([row("<script>", 1.0)], "<script>")
