"""Serialized messages, received into memory that is kept and sent from where they lie.

As a message of rclpy an image is copied four times on its way in and twice on its way out, partly
into memory that the system has to clear first, and the interpreter waits meanwhile. So rcl itself,
the C library below rclpy, is called with the addresses that rclpy's entities tell. Where it cannot
be found, rclpy's own serialized messages serve, which are copied twice.
"""

from __future__ import annotations

import ctypes
from collections import deque
from importlib.util import find_spec
from typing import Any

import numpy as np

from lut_fuse_core.arrays import UInt8Array

TAKEN, NOTHING_THERE = 0, 401
"""What rcl returns (rcl/types.h)."""

INFO_WORDS = 64
"""Of 8 bytes; more than `rmw_message_info_t` has in any distribution."""

TYPED_TOO = find_spec("rosidl_buffer") is not None
"""Whether messages may come that cannot be taken as they are serialized: since Lyrical, middleware
(rmw_fastrtps 9.4) receives those with bytes by a way of their own, which only typed ones leave."""

KEPT = 3
"""Pieces of memory that wait for the next messages of a subscription."""


class RclError(RuntimeError):
    """rcl refused to take or to send a message."""


class _Allocator(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p) for name in ("malloc", "free", "realloc", "calloc", "state")
    ]


class _Bytes(ctypes.Structure):
    """`rcl_serialized_message_t`."""

    _fields_ = [
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    ]


class _ErrorText(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char * 1024)]


class _Rcl:
    """The functions of rcl and rcutils that are needed.

    Raises:
        OSError: If there is no such library.
        AttributeError: If it lacks one of them.
    """

    def __init__(self) -> None:
        rcl, rcutils = ctypes.CDLL("librcl.so"), ctypes.CDLL("librcutils.so")
        pointer = ctypes.c_void_p
        self.take = rcl.rcl_take_serialized_message
        self.take.argtypes = [pointer] * 4
        self.publish = rcl.rcl_publish_serialized_message
        self.publish.argtypes = [pointer] * 3
        self.free = rcutils.rcutils_uint8_array_fini
        self.free.argtypes = [pointer]
        self._error = rcutils.rcutils_get_error_string
        self._error.restype = _ErrorText
        self._forget_error = rcutils.rcutils_reset_error
        allocator = rcutils.rcutils_get_default_allocator
        allocator.restype = _Allocator
        self.allocator = allocator()

    def check(self, code: int, what: str) -> None:
        """Raise what rcl reports."""
        if code != TAKEN:
            text = self._error().text.decode(errors="replace")
            self._forget_error()
            raise RclError(f"{what}: {text} (rcl returned {code})")


def _find_rcl() -> _Rcl | None:
    try:
        return _Rcl()
    except (OSError, AttributeError):
        return None


RCL = _find_rcl()
"""None where rclpy has to serve."""


class _Room:
    """Memory for a message, which the middleware makes larger where one needs it."""

    def __init__(self, rcl: _Rcl) -> None:
        self._rcl = rcl
        self.bytes = _Bytes(allocator=rcl.allocator)

    def __del__(self) -> None:
        self._rcl.free(ctypes.byref(self.bytes))


class _Lease:
    """A message in a piece of memory, which is free again once no array refers to it any more."""

    def __init__(self, room: _Room, free: deque[_Room]) -> None:
        self._room, self._free = room, free
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (room.bytes.length,),
            "data": (room.bytes.buffer, False),
        }

    def __del__(self) -> None:
        self._free.append(self._room)


class Messages:
    """The messages of a subscription, taken one at a time; one thread at a time may do so.

    Args:
        subscription: Of rclpy; nobody else takes from it.
    """

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription
        self._free: deque[_Room] = deque(maxlen=KEPT)
        self._info = (ctypes.c_int64 * INFO_WORDS)()

    def take(self) -> tuple[Any, int] | None:
        """The next message, if one has come.

        Returns:
            ``(N,) uint8``, serialized, or as rclpy has it where that cannot be had; and when it was
            sent, nanoseconds of the sender's clock, 0 if that is not known.

        Raises:
            RclError: If it cannot be taken.
            rclpy.exceptions.InvalidHandle: If the subscription was destroyed.
        """
        with self._subscription.handle:
            taken = self._by_rclpy(raw=True) if RCL is None else self._by_rcl(RCL)
            if taken is None and TYPED_TOO:
                taken = self._by_rclpy(raw=False)
        return taken

    def _by_rclpy(self, *, raw: bool) -> tuple[Any, int] | None:
        subscription = self._subscription
        taken = subscription.handle.take_message(subscription.msg_type, raw)
        if taken is None:
            return None
        message, info = taken
        return np.frombuffer(message, np.uint8) if raw else message, info["source_timestamp"]

    def _by_rcl(self, rcl: _Rcl) -> tuple[UInt8Array, int] | None:
        room = self._free.pop() if self._free else _Room(rcl)
        address = self._subscription.handle.pointer
        code = rcl.take(address, ctypes.byref(room.bytes), self._info, None)
        if code == NOTHING_THERE:
            self._free.append(room)
            return None
        rcl.check(code, "a message cannot be taken")
        return np.asarray(_Lease(room, self._free)), self._info[0]


def send(publisher: Any, message: UInt8Array) -> None:
    """Publish a serialized message.

    Args:
        publisher: Of rclpy, its lifecycle's included.
        message: ``(N,) uint8``, contiguous.

    Raises:
        RclError: If it cannot be sent.
    """
    if RCL is None:
        publisher.publish(message.tobytes())
        return
    if not getattr(publisher, "is_activated", True):
        return
    described = _Bytes(message.ctypes.data, message.size, message.size)
    with publisher.handle:
        code = RCL.publish(publisher.handle.pointer, ctypes.byref(described), None)
    RCL.check(code, "a message cannot be published")
