"""Each middleware gets our configuration unless the user has one."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rclpy
from rig import TIMEOUT

from lut_fuse_ros.middleware.large_images import (
    CYCLONEDDS,
    FASTDDS,
    OTHER_FASTDDS,
    room_for_images,
)

USED = rclpy.get_rmw_implementation_identifier()
PREFIXES = ("fastrtps_", "fastdds_")
"""Of Fast DDS's names in /dev/shm: until 2.14 (Jazzy), and since 3 (Kilted)."""


def test_without_a_configuration_ours_is_used():
    added = room_for_images({})
    root = ElementTree.parse(added[CYCLONEDDS].removeprefix("file://")).getroot()
    assert root.tag.endswith("CycloneDDS")
    for variable in FASTDDS:
        assert ElementTree.parse(added[variable]).getroot().tag.endswith("dds")


@pytest.mark.parametrize("given", ["file:///home/robot/dds.xml", "<CycloneDDS/>", ""])
def test_a_configuration_of_cyclonedds_by_the_user_stays(given):
    assert CYCLONEDDS not in room_for_images({CYCLONEDDS: given})


@pytest.mark.parametrize("given", ["/home/robot/dds.xml", ""])
@pytest.mark.parametrize("variable", [*FASTDDS, *OTHER_FASTDDS])
def test_a_configuration_of_fast_dds_by_the_user_stays(variable, given):
    assert not {*FASTDDS} & room_for_images({variable: given}).keys()


@pytest.mark.parametrize(
    ("distribution", "variable"), [("humble", 0), ("jazzy", 0), ("kilted", 1), ("lyrical", 1)]
)
def test_fast_dds_is_configured_by_the_variable_that_its_release_does_not_warn_of(
    distribution, variable
):
    added = room_for_images({"ROS_DISTRO": distribution})
    assert {*FASTDDS} & added.keys() == {FASTDDS[variable]}


def test_what_is_restricted_to_this_machine_on_humble_gets_no_transport_without_that_restriction():
    assert not {*FASTDDS} & room_for_images({"ROS_LOCALHOST_ONLY": "1"}).keys()


@pytest.mark.skipif(not USED.startswith("rmw_fastrtps"), reason="not Fast DDS")
@pytest.mark.parametrize("configured", [True, False])
def test_the_node_shares_memory_for_several_large_images(configured):
    """Unless the user says otherwise; Fast DDS's own half a megabyte holds no image of 640x480."""
    given = {} if configured else dict.fromkeys(FASTDDS, "")
    # On Humble the tests are restricted to this machine, which keeps our configuration away.
    left_out = (*FASTDDS, "ROS_LOCALHOST_ONLY")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    command = [sys.executable, "-m", "lut_fuse_ros.main"]
    with subprocess.Popen(command, env={**environment, **given}) as node:
        try:
            deadline = time.monotonic() + TIMEOUT
            while not (shared := shared_memory(node.pid)) and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            node.send_signal(signal.SIGINT)
    assert shared
    assert (max(shared) >= 32 << 20) == configured


def shared_memory(pid: int) -> list[int]:
    """Sizes of the segments of Fast DDS that a process has mapped, in bytes."""
    segments = set()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        name = line.partition("/dev/shm/")[2]
        if name.startswith(PREFIXES) and "port" not in name and not name.endswith("_el"):
            segments.add(Path("/dev/shm") / name)
    return [segment.stat().st_size for segment in segments if segment.exists()]


def receive_buffers(pid: int) -> list[int]:
    """Of the UDP sockets of a process, in bytes as the kernel counts them."""
    listed = subprocess.run(["ss", "-uanmpOH"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in listed.splitlines() if f"pid={pid}," in line]
    return [int(found[1]) for line in mine if (found := re.search(r"rb(\d+)", line))]


@pytest.mark.skipif(shutil.which("ss") is None, reason="no ss to look at sockets with")
@pytest.mark.skipif(USED != "rmw_cyclonedds_cpp", reason="not CycloneDDS")
def test_the_node_receives_with_all_the_room_the_system_allows():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        most = asking.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    environment = {name: value for name, value in os.environ.items() if name != CYCLONEDDS}
    command = [sys.executable, "-m", "lut_fuse_ros.main"]
    with subprocess.Popen(command, env=environment) as node:
        try:
            deadline = time.monotonic() + TIMEOUT
            while max(receive_buffers(node.pid), default=0) < most and time.monotonic() < deadline:
                time.sleep(0.2)
            assert max(receive_buffers(node.pid)) == most
        finally:
            node.send_signal(signal.SIGINT)
