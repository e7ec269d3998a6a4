"""What `ros2 run` starts, where rosdep was not run before the workspace was built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
INSTALLED = re.findall(r'"(\w+)": "(lut_fuse_ros[\w.]*:\w+)"', SETUP)
assert INSTALLED, "setup.py names them otherwise"


@pytest.mark.parametrize(("command", "function"), INSTALLED)
def test_a_missing_package_is_one_sentence_with_the_command_that_brings_all(
    command: str, function: str
) -> None:
    module, name = function.split(":")
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['builtin_interfaces', 'rclpy']));"
        f"from {module} import {name}; sys.exit({name}())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{command}: the Python package '")
    assert done.stderr.endswith(
        "' is not installed; run 'rosdep install --from-paths src --ignore-src -y' in your "
        "workspace\n"
    )
