"""Which thermal camera wrote a file, and what is in it."""

from __future__ import annotations

from lut_fuse_core.io.thermal.dji import is_dji, read_dji
from lut_fuse_core.io.thermal.flir import is_flir, read_flir
from lut_fuse_core.io.thermal.fluke import is_fluke, read_fluke
from lut_fuse_core.io.thermal.hikmicro import is_hikmicro, read_hikmicro
from lut_fuse_core.io.thermal.infiray import is_infiray, read_infiray
from lut_fuse_core.io.thermal.matrix import NPY_MARK, read_csv, read_npy
from lut_fuse_core.io.thermal.telops import is_telops, read_telops
from lut_fuse_core.io.thermal.thermal_image import ThermalImage

THERMAL_SUFFIXES = (".fff", ".seq", ".csq", ".is2", ".irg", ".hcc", ".npy", ".csv")
"""Suffixes of files with thermal images, besides .jpg."""


def read_thermal(content: bytes, suffix: str) -> ThermalImage | None:
    """The image in a thermal camera's file.

    Args:
        content: The file.
        suffix: Suffix of its name, in lower case.

    Returns:
        The image; None if the file is an ordinary image.

    Raises:
        InputError: For a damaged file, or a recording of several frames.
        ModuleNotFoundError: If the reader of this kind is not installed.
    """
    if is_flir(content):
        return read_flir(content)
    if is_dji(content):
        return read_dji(content)
    if is_hikmicro(content):
        return read_hikmicro(content)
    if is_fluke(content, suffix):
        return read_fluke(content)
    if is_infiray(content, suffix):
        return read_infiray(content)
    if is_telops(content, suffix):
        return read_telops(content)
    if content[:6] == NPY_MARK or suffix == ".npy":
        return read_npy(content)
    return read_csv(content) if suffix == ".csv" else None
