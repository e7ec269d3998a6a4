"""Starts with parameters that cannot be used end with one sentence and status 2."""

import sys
import tempfile
from pathlib import Path

import pytest
from launch import LaunchDescription
from launch.actions import ExecuteProcess, TimerAction
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from rig import TIMEOUT, NodeTest, node_process

FOLDER = Path(tempfile.mkdtemp())

MISTAKES = {
    "strength:=2.0": "'strength' is 2.0; it must be between 0 and 1",
    "strength:=1": "'strength' must be a decimal number, not 1; write 1.0",
    "backend:=warp_drive": "'backend' is 'warp_drive'; it must be one of auto",
    "registration.source:=file": "'registration.file' is empty",
    "normalization.low_percentile:=99.5": "percentiles must increase",
    "diagnostic_updater.period:=1": "takes seconds as 1.0",
    "diagnostic_updater.period:=0.0": "'diagnostic_updater.period' is 0.0; it must be",
    "diagnostic_updater.period:=-1.0": "'diagnostic_updater.period' is -1.0; it must be",
    "diagnostic_updater.period:=.inf": "'diagnostic_updater.period' is inf; it must be",
    "diagnostic_updater.period:=.nan": "'diagnostic_updater.period' is nan; it must be",
    "diagnostic_updater.period:=.NaN": "'diagnostic_updater.period' is nan; it must be",
    "diagnostic_updater.period:=0.001": "'diagnostic_updater.period' is 0.001; it must be",
    "calibration.file:=found.npy": "'found.npy'; it must end in .json or .yaml",
    "strength:=[1": "fusion_node: ",
    "diagnostic_updater.use_fqn:=1": "it takes true or false",
}


def without(module: str, *parameters: str, name: str = "fusion_node") -> ExecuteProcess:
    """The node where a module cannot be imported."""
    program = (
        f"import sys; sys.modules['{module}'] = None;"
        "from lut_fuse_ros.main import main; sys.exit(main())"
    )
    arguments = ["--ros-args", "-r", f"__node:={name}", "-p", "autostart:=true"]
    for parameter in parameters:
        arguments += ["-p", parameter]
    return ExecuteProcess(cmd=[sys.executable, "-c", program, *arguments], output="screen")


UNKNOWN = """
fusion_nod:
  ros__parameters:
    strength: 0.5
/robot/other:
  ros__parameters:
    strength: 0.5
"""

MISSPELLED = """
/**:
  ros__parameters:
    strenght: 0.5
    sync.tolerence: 0.01
    normalization:
      mode: percentile
"""


def with_file(text: str, name: str) -> ExecuteProcess:
    """The node with a parameter file."""
    file = FOLDER / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "lut_fuse_ros.main", "--ros-args", "-r", f"__node:={name}"]
    return ExecuteProcess(cmd=[*command, "--params-file", str(file)], output="screen")


def text_of(proc_output, process) -> str:
    """What a process printed; empty while it has printed nothing."""
    try:
        return "".join(part.text.decode() for part in proc_output[process])
    except KeyError:
        return ""


@pytest.mark.launch_test
def generate_test_description():
    mistaken = {mistake: node_process(mistake) for mistake in MISTAKES}
    processes = [
        *mistaken.values(),
        fallen_back := without("lut_fuse_core.backends.cpu", "backend:=cpu"),
        incomplete := without("tf2_ros", "registration.source:=tf", name="incomplete"),
        unknown := with_file(UNKNOWN, "fusion_node_2"),
        misspelled := with_file(MISSPELLED, "misspelled"),
    ]
    ready = TimerAction(period=0.1, actions=[ReadyToTest()])
    context = {
        "mistaken": mistaken,
        "fallen_back": fallen_back,
        "incomplete": incomplete,
        "unknown": unknown,
        "misspelled": misspelled,
    }
    return LaunchDescription([*processes, ready]), context


class TestStart(NodeTest):
    def test_a_bad_parameter_ends_the_start_with_a_reason(self, proc_info, proc_output, mistaken):
        for mistake, process in mistaken.items():
            with self.subTest(mistake):
                proc_info.assertWaitForShutdown(process, timeout=TIMEOUT)
                proc_output.assertWaitFor(MISTAKES[mistake], process=process, timeout=TIMEOUT)
                assertExitCodes(proc_info, allowable_exit_codes=[2], process=process)
                assert "Traceback" not in text_of(proc_output, process)

    def test_a_parameter_file_for_other_nodes_is_told_with_the_nearest_name(
        self, proc_output, unknown
    ):
        for words in (
            "is for /fusion_nod, /robot/other and says nothing to /fusion_node_2",
            "did you mean it by '/fusion_nod'?",
        ):
            proc_output.assertWaitFor(words, process=unknown, timeout=TIMEOUT)

    def test_unknown_keys_are_told_with_the_nearest_name(self, proc_output, misspelled):
        for words in (
            "there is no parameter 'strenght', so it is ignored; did you mean 'strength'?",
            "there is no parameter 'sync.tolerence', so it is ignored; did you mean "
            "'sync.tolerance'?",
        ):
            proc_output.assertWaitFor(words, process=misspelled, timeout=TIMEOUT)
        assert "'normalization.mode'" not in text_of(proc_output, misspelled)

    def test_a_package_that_is_missing_is_told_with_what_installs_it(self, proc_output, incomplete):
        for words in (
            "cannot start: the Python package 'tf2_ros' is not installed",
            "rosdep install",
        ):
            proc_output.assertWaitFor(words, process=incomplete, timeout=TIMEOUT)

    def test_a_backend_that_cannot_run_is_replaced_with_a_warning(self, proc_output, fallen_back):
        proc_output.assertWaitFor(
            "backend 'cpu' cannot run here", process=fallen_back, timeout=TIMEOUT
        )
        self.rig.fuse()
        report = self.rig.wait_for_report(
            lambda r: r["level"] == "1" and "backend 'cpu' cannot run here" in r["message"],
            "no warning",
            meanwhile=self.rig.send_pair,
        )
        assert report["backend"] != "cpu"
