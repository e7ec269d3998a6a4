"""Folders of registered pairs: the usual layouts of public data sets, matched by file name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_files import (
    IMAGE_SUFFIXES,
    image_files,
    read_infrared,
    read_visible,
)

__all__ = [
    "Dataset",
    "PairFiles",
    "find_dataset",
    "images_by_name",
    "read_infrared",
    "read_visible",
]

VISIBLE_NAMES = ("visible", "vi", "vis", "rgb", "visual", "crop_lr_visible")
INFRARED_NAMES = ("infrared", "ir", "inf", "thermal", "lwir", "cropinfrared")
"""Folder names, in any case: our own, those of MSRS, TNO, LLVIP, M3FD, FMB and RoadScene."""

SPLITS = ("test", "val", "train")
"""Subfolders of a data set; the first one that exists is taken."""


@dataclass(frozen=True)
class PairFiles:
    """The two files of a pair.

    Attributes:
        name: Their common stem.
        visible: File of the visible image.
        infrared: File of the infrared image.
    """

    name: str
    visible: Path
    infrared: Path


@dataclass(frozen=True)
class Dataset:
    """A folder of pairs.

    Attributes:
        visible: The folder of the visible images.
        infrared: The folder of the infrared images.
        pairs: The files of each pair, in the natural order of their names.
        unmatched: Stems that only one of the two folders has, sorted.
    """

    visible: Path
    infrared: Path
    pairs: tuple[PairFiles, ...]
    unmatched: tuple[str, ...]


def find_dataset(folder: str | Path, splits: Sequence[str] = SPLITS) -> Dataset:
    """Find the pairs in a data set's folder.

    It holds a folder of visible and one of infrared images (`VISIBLE_NAMES`, `INFRARED_NAMES`),
    either directly or in one of the splits (test/, val/ or train/), or has these inside the two.

    Args:
        folder: Folder of the data set.
        splits: Names of the splits; the first one that exists is taken.

    Returns:
        The pairs and what has no partner.

    Raises:
        InputError: If there is no such folder, one of the two holds no images or two of the same
            stem, or no two files have the same stem.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no folder {root}")
    for candidate in (root, *(root / split for split in splits)):
        visible, infrared = (_subfolder(candidate, n) for n in (VISIBLE_NAMES, INFRARED_NAMES))
        if visible is not None and infrared is not None:
            return _match(*_split_inside(visible, infrared, splits))
    raise InputError(
        f"{root} has no folders 'visible' and 'infrared' (nor vi and ir, Vis and Ir, rgb and "
        f"thermal), neither directly nor in {' or '.join(splits)}"
    )


def images_by_name(folder: str | Path) -> dict[str, Path]:
    """The image files of a folder.

    Args:
        folder: The folder; what lies in its subfolders does not count.

    Returns:
        Paths by stem, in the natural order of the names.

    Raises:
        InputError: If there is no such folder, no image in it, or two have the same stem.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no folder {root}")
    files = image_files(root)
    if not files:
        raise InputError(f"{root} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    for paths in files.values():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise InputError(f"{names} in {root} have the same name but for the suffix; keep one")
    return {name: paths[0] for name, paths in files.items()}


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    if not folder.is_dir():
        return None
    found = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _split_inside(visible: Path, infrared: Path, splits: Sequence[str]) -> tuple[Path, Path]:
    if image_files(visible):
        return visible, infrared
    for split in splits:
        if (visible / split).is_dir() and (infrared / split).is_dir():
            return visible / split, infrared / split
    return visible, infrared


def _match(visible_folder: Path, infrared_folder: Path) -> Dataset:
    visible, infrared = images_by_name(visible_folder), images_by_name(infrared_folder)
    common = [name for name in visible if name in infrared]
    if not common:
        raise InputError(
            f"no image in {visible_folder} has the same name as one in {infrared_folder} "
            f"(for example {next(iter(visible.values())).name} and "
            f"{next(iter(infrared.values())).name})"
        )
    return Dataset(
        visible_folder,
        infrared_folder,
        tuple(PairFiles(name, visible[name], infrared[name]) for name in common),
        tuple(sorted(visible.keys() ^ infrared.keys())),
    )
