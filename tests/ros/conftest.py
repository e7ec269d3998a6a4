"""Runs launch_testing's files under any pytest, in a ROS domain of their own."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

HAS_ROS = importlib.util.find_spec("rclpy") is not None

try:
    from launch_testing.pytest.hooks import LaunchTestFailure, LaunchTestItem, LaunchTestModule
    from launch_testing.test_runner import LaunchTestRunner
except ImportError:
    LaunchTestItem = LaunchTestModule = None

# Never disturb a robot that happens to be in reach, nor another process of these tests. From
# domain 102 on, the ports are among those that Linux gives to anybody (32768 and above).
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ["ROS_LOCALHOST_ONLY"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
)

if LaunchTestItem is not None:

    class Item(LaunchTestItem):
        """As launch_testing's, without the command line option that only its plug-in knows."""

        def runtest(self):
            runner = LaunchTestRunner(test_runs=self.test_runs, launch_file_arguments=[])
            runner.validate()
            results = runner.run()
            if any(not result.wasSuccessful() for result in results.values()):
                raise LaunchTestFailure(message="some test cases have failed", results=results)

    class Module(LaunchTestModule):
        def makeitem(self, *args, **kwargs):
            return Item.from_parent(*args, **kwargs)


def pytest_configure(config):
    config.addinivalue_line("markers", "launch_test: generates a launch description")


class NotRun(pytest.Module):
    """A file of tests on a machine without ROS 2: skipped before anything in it is imported."""

    def collect(self):
        pytest.skip("ROS 2 is not sourced: the node's tests were NOT run", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Stands in for launch_testing's hook, whose signature pytest 9 refuses."""
    if not HAS_ROS:
        return NotRun.from_parent(parent, path=module_path)
    is_launch_test = "def generate_test_description" in module_path.read_text(encoding="utf-8")
    if LaunchTestItem is None or not is_launch_test:
        return None
    module = Module.from_parent(parent, path=module_path)
    module.add_marker(pytest.mark.launch_test)
    return module
