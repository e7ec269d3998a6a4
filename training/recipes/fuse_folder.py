"""A teacher's fused images of a whole data set, written once: to look at, and to distil from."""

from __future__ import annotations

from pathlib import Path

import cv2
import torch
from tqdm import tqdm

from lut_fuse_core.atomic import atomic_write, keep_apart
from lut_fuse_core.errors import InputError, LutFuseError

from ..data.batches import whole_images
from ..data.pairs import NO_PARTNER, BadPair, load_pair, training_part
from ..images import in_color
from ..networks.teachers import Teacher


def fuse_folder(
    teacher: Teacher, folder: Path, out: Path, device: str = "cpu", quiet: bool = False
) -> tuple[int, list[BadPair]]:
    """Write ``out/NAME.png`` (RGB, chroma of the visible image) for every usable pair.

    Returns:
        How many were written, and the pairs left out.

    Raises:
        InputError: If there is no data set, or it would be overwritten.
        LutFuseError: If the disk is full.
    """
    dataset = training_part(folder)
    keep_apart(out, [dataset.visible, dataset.infrared])
    out.mkdir(parents=True, exist_ok=True)
    bad = [BadPair(name, NO_PARTNER) for name in dataset.unmatched]
    written = 0
    for files in tqdm(dataset.pairs, "fusing", unit="pair", disable=quiet):
        try:
            visible, infrared = whole_images(load_pair(files), device)
        except InputError as error:
            bad.append(BadPair(files.name, str(error)))
            continue
        with torch.no_grad():
            image = in_color(visible, teacher(visible, infrared))
        pixels = (image[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
        with atomic_write(out / f"{files.name}.png") as temporary:
            if not cv2.imwrite(str(temporary), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)):
                raise LutFuseError(f"cannot write {out / files.name}.png; is the disk full?")
        written += 1
    return written, bad
