"""How much of infrared is seen where the visible image is saturated: sky, lamps, headlights.

    python docs/development/experiments/glare.py DATA/roadscene/test [PUBLISHED.safetensors]

For every pair, over the pixels around which all of the visible image is saturated and infrared
shows something: how strongly the fused image follows infrared (the slope of a local linear fit,
without its sign: 0 for not at all, 1 for all of it).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.fuser import Fuser
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.model.features import luma

SATURATED = 245
WINDOW = (11, 11)
LEAST_VARIANCE = 30.0
LEAST_PIXELS = 200


def mean(image: np.ndarray) -> np.ndarray:
    return cv2.blur(image.astype(np.float32), WINDOW)


def shares(fused: np.ndarray, infrared: np.ndarray, saturated: np.ndarray) -> float | None:
    """Share of infrared's local contrast in a fused luma; None for too few saturated pixels."""
    variance = mean(infrared * infrared) - mean(infrared) ** 2
    chosen = saturated & (variance > LEAST_VARIANCE)
    if chosen.sum() < LEAST_PIXELS:
        return None
    together = mean(infrared * fused) - mean(infrared) * mean(fused)
    return float(np.abs(together[chosen]).sum() / variance[chosen].sum())


def main() -> None:
    """Print the median share over all pairs, for the default model, another and the maximum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("model", nargs="?", help="a model to compare with")
    options = parser.parse_args()
    fusers = {"default": Fuser("default")}
    if options.model:
        fusers[options.model] = Fuser(options.model)
    found: dict[str, list[float]] = {name: [] for name in (*fusers, "maximum")}
    for files in find_dataset(options.pairs).pairs:
        visible = read_visible(files.visible)
        infrared = read_infrared(files.infrared).astype(np.uint8)
        bright, warm = luma(visible), infrared.astype(np.float32)
        saturated = mean(bright >= SATURATED) > 0.99
        images = {name: luma(fuser.fuse(visible, infrared)) for name, fuser in fusers.items()}
        images["maximum"] = np.maximum(bright, warm)
        for name, image in images.items():
            share = shares(image, warm, saturated)
            if share is not None:
                found[name].append(share)
    for name, values in found.items():
        print(f"{name}: {100 * np.median(values):.1f} % of {len(values)} pairs' infrared contrast")


if __name__ == "__main__":
    main()
