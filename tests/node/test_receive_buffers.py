"""The node knows what was lost in front of its door."""

import socket
import sys

import pytest

from lut_fuse_ros.diagnostics.receive_buffers import lost_datagrams

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells on Linux only")


def flood(receiver: socket.socket, datagrams: int) -> None:
    with socket.socket(receiver.family, socket.SOCK_DGRAM) as sender:
        for _ in range(datagrams):
            sender.sendto(bytes(1000), receiver.getsockname())


def test_datagrams_that_find_the_buffer_full_are_counted():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        receiver.bind(("127.0.0.1", 0))
        before = lost_datagrams()
        flood(receiver, 100)
        assert 50 < lost_datagrams() - before < 100


def test_datagrams_that_are_received_are_not():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        before = lost_datagrams()
        flood(receiver, 3)
        assert lost_datagrams() == before
