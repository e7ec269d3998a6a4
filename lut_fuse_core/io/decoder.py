"""OpenCV's image decoder, with what the libraries below it only write to stderr taken seriously."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_header import kind_of_file
from lut_fuse_core.io.library_lines import heard
from lut_fuse_core.io.opencv_log import quiet
from lut_fuse_core.libraries.opencv import cv2


def decode_whole(data: UInt8Array, mode: int) -> npt.NDArray[Any]:
    """The image in an encoded file, refused if its decoder reports errors.

    libjpeg continues after an error, with pixels that are wrong from there on.

    Args:
        data: ``(N,) uint8``.
        mode: One of OpenCV's ``IMREAD`` constants.

    Returns:
        ``(H, W)`` gray or ``(H, W, C)`` BGR or BGRA, of the type that ``mode`` asks for.

    Raises:
        InputError: If it cannot be decoded, or not without errors.
    """
    with quiet():
        image, complaint = heard(lambda: decode(data, mode))
    if image is None:
        kind = kind_of_file(data)
        if not kind:
            raise InputError("it is not an image that can be read")
        raise InputError(f"it is {kind}, which is not read here; save it as PNG or TIFF")
    if complaint:
        raise InputError(
            f"it is damaged: its decoder reports '{complaint}'; if it looks right in a viewer, "
            "save it again there"
        )
    return image


def decode(data: UInt8Array, mode: int) -> npt.NDArray[Any] | None:
    """The image in encoded data as OpenCV decodes it, whatever its decoder reports.

    Args:
        data: ``(N,) uint8``.
        mode: One of OpenCV's ``IMREAD`` constants.

    Returns:
        ``(H, W)`` gray or ``(H, W, C)`` BGR or BGRA, of the type that ``mode`` asks for; None if it
        cannot be decoded.
    """
    try:
        image = cv2.imdecode(data, mode)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image)
