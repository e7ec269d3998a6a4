"""Image files to arrays and back: the formats people have, refused with a sentence if unusable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_header import encoded_size, is_whole, tiff_orientation
from lut_fuse_core.io.natural_order import natural
from lut_fuse_core.io.opencv_log import quiet

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm")


def read_visible(path: Path) -> UInt8Array:
    """A color image: ``(H, W, 3) uint8``, RGB; deeper ones keep their upper 8 bits.

    Raises InputError for a missing or damaged file.
    """
    # As the sensor saw it: infrared files are not turned either, whatever their EXIF says.
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_infrared(path: Path) -> RawInfrared:
    """A raw infrared image: ``(H, W) uint8 or uint16``; of color the luma.

    Raises InputError for a missing or damaged file, or numbers of another type.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path} holds {image.dtype} numbers; convert it to 8 or 16-bit unsigned counts"
        )
    if image.ndim == 3:
        conversions = {3: cv2.COLOR_BGR2GRAY, 4: cv2.COLOR_BGRA2GRAY}
        image = cv2.cvtColor(image, conversions[image.shape[2]])
    return image


def write_image(path: Path, image: UInt8Array) -> None:
    """Write ``(H, W, 3) uint8`` RGB to a file whose suffix says the format, complete or not at all.

    Raises InputError for a suffix that is no image format, OSError when it cannot be written.
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.suffix.lower() == ".pgm":
        raise InputError(
            f"{path.name} does not end like a color image; use .png, .jpg, .tif, .bmp or .webp"
        )
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95] if is_jpeg else []
    done, data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise InputError(f"this OpenCV cannot write {path.suffix} images; use .png")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())


def image_files(folder: Path) -> dict[str, list[Path]]:
    """The image files in a folder by their stem, in the order of their numbers and letters."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=natural):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    return found


def _decode(path: Path, mode: int) -> npt.NDArray[Any]:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, an image is expected") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if not data.size:
        raise InputError(f"{path} is empty")
    try:
        with quiet():
            image = cv2.imdecode(data, mode)
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"{path} is not an image that can be read")
    if encoded_size(data) is not None and not is_whole(data):
        raise InputError(f"{path} is cut short")
    orientation = tiff_orientation(data)
    if 2 <= orientation <= 8:
        # OpenCV turns these, and only these, though told not to.
        raise InputError(
            f"{path} has a TIFF orientation of {orientation}, so that it would be "
            "turned and its partner not; write it without, as the sensor saw it"
        )
    return image
