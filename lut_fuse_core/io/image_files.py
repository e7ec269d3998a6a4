"""Image files to arrays and back; what cannot be used is refused with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import AnyInfrared, UInt8Array, in_three_channels
from lut_fuse_core.atomic import write_whole
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.byte_order import in_native_order
from lut_fuse_core.io.decoder import decode_whole
from lut_fuse_core.io.image_encodings import MAX_PIXELS
from lut_fuse_core.io.image_header import (
    encoded_size,
    is_animated,
    is_plausible,
    is_whole,
    transparent_gray,
)
from lut_fuse_core.io.jpeg import (
    RGB_QUALITY,
    JpegPlanes,
    decode_jpeg,
    decode_planes,
    encode_planes,
)
from lut_fuse_core.io.natural_order import natural
from lut_fuse_core.io.palettes import intensities
from lut_fuse_core.io.png import encode_png
from lut_fuse_core.io.thermal.files import THERMAL_SUFFIXES, read_thermal
from lut_fuse_core.io.thermal.thermal_image import ThermalImage
from lut_fuse_core.io.tiff_files import MARKS as TIFF_MARKS
from lut_fuse_core.io.tiff_files import read_tiff_infrared, read_tiff_visible
from lut_fuse_core.libraries.opencv import cv2

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm")


def read_visible(path: Path) -> UInt8Array:
    """The color image in a file, as the sensor saw it: not rotated, whatever its EXIF says.

    Args:
        path: An image file, see `IMAGE_SUFFIXES`.

    Returns:
        ``(H, W, 3) uint8``, RGB; gray in three channels; of deeper images the upper 8 bits.

    Raises:
        InputError: For a missing or damaged file, or one of several images.
        ModuleNotFoundError: If the reader of this kind of file is not installed.
    """
    content = _content(path)
    with _about(path):
        if content[:4] in TIFF_MARKS:
            return read_tiff_visible(content)
        return _visible(_checked(content))


def read_visible_as_stored(path: Path) -> UInt8Array | JpegPlanes:
    """The color image in a file, of a usual JPEG the planes that it holds.

    Args:
        path: See `read_visible`.

    Returns:
        The planes, see `decode_planes`; of other files what `read_visible` returns.

    Raises:
        InputError: See `read_visible`.
        ModuleNotFoundError: See `read_visible`.
    """
    content = _content(path)
    with _about(path):
        if content[:4] in TIFF_MARKS:
            return read_tiff_visible(content)
        data = _checked(content)
        planes = decode_planes(data)
        return _visible(data) if planes is None else planes


def read_infrared(path: Path) -> AnyInfrared:
    """The raw infrared image in a file.

    Args:
        path: An image file or a thermal camera's file.

    Returns:
        ``(H, W)`` counts or temperatures of the file's own number type, see `CountConverter`; of
        false colors the intensities, uint8.

    Raises:
        InputError: For a missing or damaged file, one of several images, or one that holds no
            intensities.
        ModuleNotFoundError: If the reader of this kind of file is not installed.
    """
    content = _content(path)
    with _about(path):
        if content[:4] in TIFF_MARKS:
            return in_native_order(read_tiff_infrared(content))
        thermal = read_thermal(content, path.suffix.lower())
        if thermal is not None:
            return thermal.infrared
        data = _checked(content)
        image = decode_jpeg(data, "BGR")
        gray = _gray(decode_whole(data, cv2.IMREAD_UNCHANGED) if image is None else image)
        nothing = transparent_gray(data)
        if nothing is not None:
            gray = np.where(gray == nothing, gray.dtype.type(0), gray)
        return in_native_order(gray)


def read_both(path: Path) -> ThermalImage:
    """The infrared image and the photo in one file of a thermal camera.

    Args:
        path: A thermal camera's file.

    Returns:
        Both; `visible` is not None.

    Raises:
        InputError: For a missing or damaged file, or one that lacks either image.
        ModuleNotFoundError: If the reader of this kind of file is not installed.
    """
    content = _content(path)
    with _about(path):
        thermal = read_thermal(content, path.suffix.lower())
        if thermal is None:
            raise InputError(
                "it is no file of a thermal camera that holds the infrared image and the photo; "
                "give both: VISIBLE INFRARED"
            )
        if thermal.visible is None:
            raise InputError("it holds no photo; give one before it: VISIBLE INFRARED")
    return thermal


def write_image(path: Path, image: UInt8Array | JpegPlanes) -> None:
    """Write a color image, complete or not at all; its folder is made where it is missing.

    Args:
        path: File to write; its suffix says the format. JPEG has quality 95,
            or 96 from planes.
        image: ``(H, W, 3) uint8``, RGB; for JPEG also planes.

    Raises:
        InputError: For a suffix that is no format of color images, or an image too large for it.
        OSError: If it cannot be written.
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.suffix.lower() == ".pgm":
        raise InputError(
            f"{path.name} does not end like a color image; use .png, .jpg, .tif, .bmp or .webp"
        )
    data = _encode(image, path.suffix.lower())
    try:
        write_whole(path, data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)


def image_files(folder: Path) -> dict[str, list[Path]]:
    """The image files in a folder.

    Args:
        folder: The folder; what lies in its subfolders does not count, nor do hidden files.

    Returns:
        Paths by stem, in natural order (``frame_10`` after ``frame_9``).

    Raises:
        OSError: If the folder cannot be read.
    """
    return _files(folder, IMAGE_SUFFIXES)


def infrared_files(folder: Path) -> dict[str, list[Path]]:
    """The image files in a folder, and the files of thermal cameras where no image has their stem.

    Args:
        folder: See `image_files`.

    Returns:
        See `image_files`.

    Raises:
        OSError: If the folder cannot be read.
    """
    found = _files(folder, (*IMAGE_SUFFIXES, *THERMAL_SUFFIXES))
    for stem, paths in found.items():
        images = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
        found[stem] = images or paths
    return found


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=natural):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    return found


def _encode(image: UInt8Array | JpegPlanes, suffix: str) -> bytes:
    if isinstance(image, JpegPlanes):
        return encode_planes(image)
    if suffix == ".png":
        return encode_png(image)
    settings = [cv2.IMWRITE_JPEG_QUALITY, RGB_QUALITY] if suffix in (".jpg", ".jpeg") else []
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        height, width = image.shape[:2]
        raise InputError(f"OpenCV cannot write {suffix} images of {width}x{height} here; use .png")
    return data.tobytes()


def _visible(data: UInt8Array) -> UInt8Array:
    """The color image in an encoded file, ``(H, W, 3) uint8``, RGB."""
    image = decode_jpeg(data, "RGB")
    if image is not None:
        return in_three_channels(image)
    decoded = decode_whole(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, an image is expected") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if not content:
        raise InputError(f"{path} is empty")
    return content


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _checked(content: bytes) -> UInt8Array:
    """The bytes of an encoded image, ``(N,) uint8``, if its header and checksums fit them.

    Raises:
        InputError: For one that is too large, truncated, damaged or animated.
    """
    if content[:2] in (b"P1", b"P2", b"P3"):
        content += b"\n"  # without one after the last number OpenCV reads nothing
    data = np.frombuffer(content, np.uint8)
    size = encoded_size(data)
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"it says its size is {size[0]}x{size[1]}; up to {MAX_PIXELS >> 20} megapixels are "
            "believed"
        )
    if size is not None and not is_whole(data):
        raise InputError("it is truncated")
    if not is_plausible(data):
        raise InputError("it is damaged: its header, or a checksum, does not fit its data")
    if is_animated(data):
        raise InputError(
            "it holds several images, and which one belongs to that of the other camera cannot be "
            "known; save one image per file"
        )
    return data


def _gray(image: npt.NDArray[Any]) -> AnyInfrared:
    """Intensities, ``(H, W)``, of an image as OpenCV decodes it: gray, BGR or BGRA."""
    if image.ndim == 2:
        return image
    channels: list[Any] = [cv2.extractChannel(image, channel) for channel in range(3)]
    gray: AnyInfrared = channels[0]
    # In a fifth of the time of comparing pixel by pixel.
    is_gray = all(np.array_equal(gray, other) for other in channels[1:])
    if not is_gray and image.dtype == np.uint8:
        gray = intensities(np.ascontiguousarray(image[..., 2::-1]))
    elif not is_gray:
        raise InputError(
            "it holds colors of more than 8 bits, from which intensities cannot be recovered; "
            "save the infrared image in gray"
        )
    if image.shape[2] == 4 and (image[..., 3] == 0).any():
        gray = gray.copy()
        gray[image[..., 3] == 0] = 0
    return gray
