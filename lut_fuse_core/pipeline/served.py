"""One infrared frame for several visible ones: which one the pipeline was given already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lut_fuse_core.arrays import AnyInfrared

T = TypeVar("T")


class ServedInfrared(Generic[T]):
    """Recognizes the infrared frame that a pipeline holds, by its identity.

    Such a frame is not decoded again, and not given to the pipeline again: to that it would look
    like a camera that hangs.

    >>> served = ServedInfrared[bytes]()
    >>> frame = bytes(4)
    >>> decode = lambda data: np.frombuffer(data, np.uint8).reshape(2, 2)
    >>> served.pixels(frame, decode).shape, served.pixels(frame, decode)
    ((2, 2), None)
    """

    def __init__(self) -> None:
        self._frame: T | None = None

    def pixels(self, frame: T, decode: Callable[[T], AnyInfrared]) -> AnyInfrared | None:
        """What to give to the pipeline for a frame that is to serve a visible image.

        Args:
            frame: The message or video frame that holds the image.
            decode: Its pixels; may raise InputError, and is not called for this frame again then.

        Returns:
            ``(h, w)`` as the camera gave it, or None if the pipeline holds the frame already.
        """
        if frame is self._frame:
            return None
        self._frame = frame
        return decode(frame)

    def forget(self) -> None:
        """Decode the next frame in any case: the pipeline could not use this one."""
        self._frame = None
