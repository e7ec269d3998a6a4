"""Interrupts while the node starts: it ends, quietly and with status 0 or 130."""

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not sourced: the node's tests were NOT run")

from rig import TIMEOUT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.05, 0.2, 0.5, 1.0])
def test_a_start_that_is_broken_off_ends_quietly(number, after):
    program = (
        "import sys; from lut_fuse_ros.main import main;"
        "print('begins', flush=True); sys.exit(main())"
    )
    arguments = ["--ros-args", "-p", "autostart:=true"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Where tests run in the background of a script, children ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "begins\n"
    time.sleep(after)
    process.send_signal(number)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode in (0, 130), output
    # Callbacks of C libraries that Python interrupts print what they ignored; main must not.
    assert 'File "<string>"' not in output
    assert "cannot start" not in output
