"""Interrupts at any moment: the node ends, quietly and with status 0 or 130."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rig import TIMEOUT

MOMENTS = np.random.default_rng(0).uniform(0.0, 3.0, 12).round(3)

ENDED_BY_FAST_DDS = {"dds.shm.wdog"}
"""One thread per process, which Fast DDS's library waits for when it is taken away itself."""


def interrupted(number: int, after: float) -> tuple[int, str]:
    """The exit status and the output of a node that gets a signal so many seconds after its first
    line of code, which lets signals through."""
    program = (
        "import sys; from lut_fuse_ros.main import leave_at_once, main; leave_at_once();"
        "print('begins', flush=True); sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--ros-args", "-p", "autostart:=true"],
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
    return process.returncode, output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_another_interrupt_while_python_ends_changes_nothing(number):
    """Ctrl-C reaches the node and launch, which hands it on. Python's end deletes modules after it
    has given up its handlers of signals."""
    program = f"""
import os, sys
from lut_fuse_ros.main import main

class Last:
    def __del__(self, interrupt=os.kill, process=os.getpid()):
        interrupt(process, {int(number)})

sys.modules["last"] = Last()
sys.exit(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "--ros-args", "-p", "strength:=2.0"],
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "'strength' is 2.0" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", MOMENTS)
def test_a_node_that_is_interrupted_ends_quietly(number, after):
    status, output = interrupted(number, after)
    assert status in (0, 130), output
    assert "Traceback" not in output
    assert "cannot start" not in output


def test_no_thread_of_the_middleware_outlives_the_node():
    """The end of the process takes the code away that it runs."""
    program = """
import os, signal, threading
from lut_fuse_ros.main import main

def names():
    tasks = os.listdir("/proc/self/task")
    return {open(f"/proc/self/task/{task}/comm").read().strip() for task in tasks}

def once_it_fuses():
    while "fusion" not in {each.name for each in threading.enumerate()}:
        pass
    os.kill(os.getpid(), signal.SIGINT)

before = names()
threading.Thread(target=once_it_fuses).start()
assert main() == 0
print(*(name for name in names() - before if not name.startswith("Thread-")))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "--ros-args", "-p", "autostart:=true"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=3 * TIMEOUT,
        check=True,
    )
    assert not set(ended.stdout.split()) - ENDED_BY_FAST_DDS


def test_an_interrupt_while_the_executor_is_made_leaves_no_traceback():
    program = """
import os, signal, rclpy
from lut_fuse_ros import process
class Interrupted(process.SingleThreadedExecutor):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        while rclpy.ok():
            pass
        raise RuntimeError("as rclpy's own does then, before it has its attributes")
process.SingleThreadedExecutor = Interrupted
print(process.run([]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
        check=True,
    )
    assert ended.stdout == "0\n"
    assert "Traceback" not in ended.stderr
