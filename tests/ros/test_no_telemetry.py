"""The node reaches other machines through DDS only, and writes where ROS 2 keeps its logs only."""

import os
import shutil
import signal
import socket
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from rig import TIMEOUT, Rig
from std_srvs.srv import Trigger
from watched import PYTHON, TEMPORARY, Watched, environment

from lut_fuse_ros.process import INTERRUPTED

OF_ROS = ("AMENT_", "COLCON_", "CYCLONEDDS", "FASTDDS", "FASTRTPS", "RMW_", "ROS_", "PYTHONPATH")


def is_of_this_machine(address: IPv4Address | IPv6Address) -> bool:
    """Or of a multicast group: those can be bound to."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def test_a_node_that_fuses_and_calibrates_stays_with_dds_and_writes_its_log_only(
    tmp_path: Path,
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace to see what DDS and other libraries do themselves")
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    ros = {name: value for name, value in os.environ.items() if name.startswith(OF_ROS)}
    node = Watched(
        [PYTHON, "-m", "lut_fuse_ros.main", "--ros-args", "-p", "autostart:=true"],
        work,
        {**environment(home), **ros},
        kernel=True,
    )
    rig = Rig()
    try:
        rig.fuse()
        client = rig.node.create_client(Trigger, "/fusion_node/calibrate")
        assert client.wait_for_service(TIMEOUT)
        answer = client.call_async(Trigger.Request())
        rig.wait(lambda: answer.done() or (rig.send_pair() and time.sleep(0.1)), "no calibration")
    finally:
        rig.close()
        os.killpg(node.process.pid, signal.SIGINT)
    traces = node.end((0, INTERRUPTED))  # traced on a loaded machine, its end may take too long
    assert traces.sockets
    assert all("SOCK_DGRAM" in opened for opened in traces.sockets), "not of DDS"
    assert all(is_of_this_machine(address) for address in traces.called)
    assert traces.outside(home / ".ros" / "log") <= {home / ".ros"}
    assert list((tmp_path / TEMPORARY).iterdir()) == [], "temporary files stay"
