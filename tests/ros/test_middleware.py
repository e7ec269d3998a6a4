"""CycloneDDS gets our configuration unless the user has one."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest
import rclpy
from rig import TIMEOUT

from lut_fuse_ros.middleware.cyclonedds import VARIABLE, room_for_images


def test_without_a_configuration_ours_is_used():
    uri = room_for_images({})[VARIABLE]
    root = ElementTree.parse(uri.removeprefix("file://")).getroot()
    assert root.tag.endswith("CycloneDDS")


@pytest.mark.parametrize("given", ["file:///home/robot/dds.xml", "<CycloneDDS/>", ""])
def test_a_configuration_of_the_user_stays(given):
    assert room_for_images({VARIABLE: given}) == {}


def receive_buffers(pid: int) -> list[int]:
    """Of the UDP sockets of a process, in bytes as the kernel counts them."""
    listed = subprocess.run(["ss", "-uanmpOH"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in listed.splitlines() if f"pid={pid}," in line]
    return [int(found[1]) for line in mine if (found := re.search(r"rb(\d+)", line))]


@pytest.mark.skipif(shutil.which("ss") is None, reason="no ss to look at sockets with")
@pytest.mark.skipif(
    rclpy.get_rmw_implementation_identifier() != "rmw_cyclonedds_cpp", reason="not CycloneDDS"
)
def test_the_node_receives_with_all_the_room_the_system_allows():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        most = asking.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-m", "lut_fuse_ros.main"]
    with subprocess.Popen(command, env=environment) as node:
        try:
            deadline = time.monotonic() + TIMEOUT
            while max(receive_buffers(node.pid), default=0) < most and time.monotonic() < deadline:
                time.sleep(0.2)
            assert max(receive_buffers(node.pid)) == most
        finally:
            node.send_signal(signal.SIGINT)
