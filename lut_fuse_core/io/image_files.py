"""Image files to arrays and back: the formats people have, refused with a sentence if unusable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.byte_order import in_native_order
from lut_fuse_core.io.decoder import decode_whole
from lut_fuse_core.io.image_encodings import MAX_PIXELS
from lut_fuse_core.io.image_header import encoded_size, is_animated, is_plausible, is_whole
from lut_fuse_core.io.jpeg import decode_jpeg
from lut_fuse_core.io.natural_order import natural
from lut_fuse_core.io.palettes import intensities
from lut_fuse_core.io.png import encode_png
from lut_fuse_core.io.thermal.files import THERMAL_SUFFIXES, read_thermal
from lut_fuse_core.io.thermal.thermal_image import ThermalImage
from lut_fuse_core.io.tiff_files import MARKS as TIFF_MARKS
from lut_fuse_core.io.tiff_files import read_tiff_infrared, read_tiff_visible

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm")


def read_visible(path: Path) -> UInt8Array:
    """The color image in a file.

    Args:
        path: Of the file.

    Returns:
        ``(H, W, 3) uint8``, RGB; deeper ones keep their upper 8 bits.

    Raises:
        InputError: For a missing or damaged file.
    """
    content = _content(path)
    with _about(path):
        if content[:4] in TIFF_MARKS:
            return read_tiff_visible(content)
        data = _checked(content)
        image = decode_jpeg(data, "RGB")
        if image is not None:
            return image if image.ndim == 3 else _colored(image)
        # As the sensor saw it: infrared files are not rotated either, whatever their EXIF says.
        decoded = decode_whole(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_infrared(path: Path) -> AnyInfrared:
    """The raw infrared image in a file.

    Args:
        path: Of the file.

    Returns:
        ``(H, W)`` counts or temperatures, see `NormalizationConfig.quantity`; of a picture in
        false colors the intensities.

    Raises:
        InputError: For a missing or damaged file, or one that holds no intensities.
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
        return in_native_order(
            _gray(decode_whole(data, cv2.IMREAD_UNCHANGED) if image is None else image)
        )


def read_both(path: Path) -> ThermalImage:
    """The infrared image and the photo in one file of a thermal camera.

    Args:
        path: Of the file.

    Returns:
        Both, the photo never None.

    Raises:
        InputError: For a missing or damaged file, or one without either of them.
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


def write_image(path: Path, image: UInt8Array) -> None:
    """Write ``(H, W, 3) uint8`` RGB to a file whose suffix says the format, complete or not at all.

    Raises:
        InputError: For a suffix that is no image format.
        OSError: When it cannot be written.
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.suffix.lower() == ".pgm":
        raise InputError(
            f"{path.name} does not end like a color image; use .png, .jpg, .tif, .bmp or .webp"
        )
    data = _encode(image, path.suffix.lower())
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def image_files(folder: Path) -> dict[str, list[Path]]:
    """The image files in a folder by their stem, in the order of their numbers and letters."""
    return _files(folder, IMAGE_SUFFIXES)


def infrared_files(folder: Path) -> dict[str, list[Path]]:
    """The same with the files of thermal cameras, where no image has the same stem."""
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


def _encode(image: UInt8Array, suffix: str) -> bytes:
    if suffix == ".png":
        return encode_png(image)
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise InputError(f"this OpenCV cannot write {suffix} images; use .png")
    return data.tobytes()


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
    """Say which file it is that cannot be used."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _checked(content: bytes) -> UInt8Array:
    """An encoded image, of a size that is believed, and whole as far as its header says."""
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
            "it holds several images, and which one belongs to the other camera's cannot be known; "
            "save one image per file"
        )
    return data


def _colored(gray: UInt8Array) -> UInt8Array:
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)


def _gray(image: npt.NDArray[Any]) -> AnyInfrared:
    """Intensities of an image as OpenCV decodes it: gray, BGR or BGRA."""
    if image.ndim == 2:
        return image
    colors = image[..., :3]
    if (colors == colors[..., :1]).all():
        gray: AnyInfrared = colors[..., 0]
    elif image.dtype == np.uint8:
        gray = intensities(np.ascontiguousarray(colors[..., ::-1]))
    else:
        raise InputError(
            "it holds colors of more than 8 bits, from which intensities cannot be recovered; "
            "save the infrared image in gray"
        )
    if image.shape[2] == 4 and (image[..., 3] == 0).any():
        gray = gray.copy()
        gray[image[..., 3] == 0] = 0
    return gray
