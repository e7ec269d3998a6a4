"""What `colcon build` installs: launch files and commands, started as a user starts them."""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from rig import TIMEOUT, Rig

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A workspace with this package built in it."""
    if shutil.which("colcon") is None:
        pytest.skip("no colcon: the launch files were NOT tested")
    folder = tmp_path_factory.mktemp("workspace")
    built = subprocess.run(
        ["colcon", "build", "--base-paths", str(REPOSITORY), "--packages-select", "lut_fuse_ros"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-2000:]
    return folder


class Command:
    """A command in the sourced workspace, in a process group of its own like a terminal's."""

    def __init__(self, workspace: Path, command: str) -> None:
        self.log = workspace / f"{time.time_ns()}.log"
        script = f"source install/local_setup.bash && exec {command}"
        self.process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=workspace,
            env={**os.environ, "PYTHONPATH": _python_path()},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A background shell of a script ignores interrupts, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def interrupt(self) -> int:
        """Ctrl-C in a terminal reaches the whole group. Returns the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(TIMEOUT)

    def finish(self) -> int:
        return self.process.wait(3 * TIMEOUT)


def _python_path() -> str:
    """Without this checkout; with the tests' packages, which colcon's own Python may lack."""
    paths = [path for path in os.environ["PYTHONPATH"].split(os.pathsep) if path]
    ours = [path for path in paths if Path(path) != REPOSITORY]
    return os.pathsep.join([*ours, sysconfig.get_path("purelib")])


def test_the_demo_fuses_and_ctrl_c_ends_it_cleanly(workspace):
    arguments = "namespace:=demo width:=160 height:=120 frames:=4"
    demo = Command(workspace, f"ros2 launch lut_fuse_ros demo.launch.py {arguments}")
    rig = Rig("/demo")
    try:
        rig.wait(lambda: len(rig.images) > 10 and rig.infos, "the demo shows nothing")
        assert (rig.images[-1].width, rig.images[-1].height) == (160, 120)
        assert rig.infos[-1].width == 160
        assert rig.state() == "active"
    finally:
        status = demo.interrupt()
        rig.close()
    assert status == 0, demo.output
    assert "Traceback" not in demo.output
    assert demo.output.count("process has finished cleanly") == 2, demo.output


def test_the_launch_file_connects_the_topics_it_is_given(workspace):
    arguments = (
        "visible_topic:=/camera/color/image_raw infrared_topic:=/thermal/image_raw "
        "fused_topic:=/seen/image name:=eyes autostart:=false"
    )
    launch = Command(workspace, f"ros2 launch lut_fuse_ros lut_fuse.launch.py {arguments}")
    rig = Rig("", "eyes")
    try:
        assert rig.state() == "unconfigured"
        assert rig.transition("configure")
        assert rig.transition("activate")
        node = rig.node
        for topic in ("/camera/color", "/thermal"):
            for name in ("image_raw", "camera_info"):
                rig.wait(lambda t=f"{topic}/{name}": node.count_subscribers(t), f"no {topic}")
        for name in ("image", "image/compressed", "camera_info"):
            rig.wait(lambda n=name: node.count_publishers(f"/seen/{n}"), f"no {name}")
    finally:
        status = launch.interrupt()
        rig.close()
    assert status == 0, launch.output


def test_cameras_in_one_namespace_do_not_share_their_camera_info(workspace):
    topics = "visible_topic:=/cam/color infrared_topic:=/cam/thermal fused_topic:=/cam/fused"
    start = f"ros2 launch lut_fuse_ros lut_fuse.launch.py {topics} name:=together"
    launch = Command(workspace, start)
    rig = Rig("", "together")
    try:
        node = rig.node
        for topic in ("/cam/camera_info", "/cam/thermal/camera_info"):
            rig.wait(lambda t=topic: node.count_subscribers(t) == 1, f"nobody at {topic}")
        rig.wait(lambda: node.count_publishers("/cam/fused/camera_info"), "no camera_info")
        assert node.count_publishers("/cam/camera_info") == 0
    finally:
        assert launch.interrupt() == 0, launch.output
        rig.close()


def test_a_parameter_file_that_is_not_there_is_refused(workspace):
    launch = Command(workspace, "ros2 launch lut_fuse_ros lut_fuse.launch.py params_file:=no.yaml")
    assert launch.finish() != 0
    assert "params_file:=no.yaml is not a file" in launch.output


def test_where_rviz_is_not_installed_the_rest_starts_and_ends_as_ever(workspace):
    if shutil.which("rviz2") is not None:
        pytest.skip("RViz is installed")
    launch = Command(
        workspace, "ros2 launch lut_fuse_ros demo.launch.py rviz:=true namespace:=blind frames:=2"
    )
    rig = Rig("/blind")
    try:
        rig.wait(lambda: rig.images, "nothing is fused")
        assert "RViz is not installed" in launch.output
    finally:
        status = launch.interrupt()
    try:
        assert status == 0, launch.output
        rig.wait(lambda: not rig.node.count_publishers("/blind/fused/image"), "a node is left")
    finally:
        rig.close()


@pytest.mark.parametrize("file", ["lut_fuse", "demo"])
def test_a_launch_that_cannot_work_ends_with_a_status_and_leaves_nothing_behind(workspace, file):
    launch = Command(
        workspace, f"ros2 launch lut_fuse_ros {file}.launch.py backend:=warp_drive namespace:=bad"
    )
    rig = Rig("/bad")
    try:
        assert launch.finish() == 1
        assert "'backend' is 'warp_drive'; it must be one of" in launch.output
        assert "fusion_node ended with exit status 2" in launch.output
        rig.wait(lambda: not rig.node.count_publishers("/bad/fused/image"), "a node is left")
        names = rig.node.get_node_names
        rig.wait(lambda: "synthetic_cameras" not in names(), "the cameras are left")
    finally:
        rig.close()


def test_time_is_the_parameter_files_unless_an_argument_says_otherwise(workspace):
    (workspace / "mine.yaml").write_text(
        "/**:\n  ros__parameters:\n    use_sim_time: true\n    strength: 0.5\n", encoding="utf-8"
    )
    start = "ros2 launch lut_fuse_ros lut_fuse.launch.py params_file:=mine.yaml autostart:=no"
    for name, argument, expected in (("a", "", True), ("b", "use_sim_time:=0", False)):
        launch = Command(workspace, f"{start} name:={name} {argument}")
        rig = Rig("", name)
        try:
            assert rig.get("use_sim_time").bool_value == expected
            assert rig.state() == "unconfigured"
        finally:
            launch.interrupt()
            rig.close()
    refused = Command(workspace, f"{start} use_sim_time:=perhaps")
    assert refused.finish() != 0
    assert "use_sim_time:=perhaps is neither true nor false" in refused.output


def test_every_launch_argument_is_explained(workspace):
    shown = Command(workspace, "ros2 launch lut_fuse_ros lut_fuse.launch.py --show-args")
    assert shown.finish() == 0
    page = (REPOSITORY / "docs" / "ros.md").read_text(encoding="utf-8")
    names = [line.split("'")[1] for line in shown.output.splitlines() if line.startswith("    '")]
    assert len(names) > 10
    for name in names:
        assert f"`{name}`" in page


def test_the_benchmark_reports_what_it_measured(workspace):
    options = "--width 64 --height 48 --duration 3 --warm-up 0 --json"
    benchmark = Command(workspace, f"ros2 run lut_fuse_ros benchmark {options}")
    assert benchmark.finish() == 0, benchmark.output
    report = json.loads(benchmark.output.splitlines()[-1])
    assert report["pairs"] > 0
    assert report["received"] + report["lost"] == report["pairs"]
    assert 0 < report["latency_p50"] <= report["latency_p99"] <= report["latency_max"]


def test_the_benchmark_explains_a_node_that_cannot_start(workspace):
    benchmark = Command(workspace, "ros2 run lut_fuse_ros benchmark -p strength:=7.0")
    assert benchmark.finish() == 1
    assert "must be between 0 and 1" in benchmark.output
    assert "Traceback" not in benchmark.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["fusion_node", "synthetic_cameras", "benchmark"])
def test_an_interrupt_while_python_starts_ends_a_node_quietly(workspace, name, number, tmp_path):
    """Python imports this module before it opens the script."""
    interrupt = f"import os; os.kill(os.getpid(), {int(number)})"
    (tmp_path / "sitecustomize.py").write_text(interrupt, encoding="utf-8")
    executable = workspace / f"install/lut_fuse_ros/lib/lut_fuse_ros/{name}"
    installed = next(workspace.glob("install/lut_fuse_ros/lib/python3*/site-packages"))
    ended = subprocess.run(
        [executable],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{installed}:{_python_path()}"},
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        check=False,
    )
    assert ended.returncode == 130
    assert ended.stderr == ""
