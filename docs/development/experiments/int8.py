"""What int8 costs: metrics and pixels with the context in int8 against those of the reference.

python docs/development/experiments/int8.py RoadScene/test --model default

ONNX Runtime executes on the CPU the very file that TensorRT is given, so this tells what int8 does
to the images, not how fast it is. The lattice is rounded to half precision, as the kernels have it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

from lut_fuse_core import load_model
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.evaluation.evaluate import file_normalizer, load_pair
from lut_fuse_core.evaluation.metrics import METRIC_NAMES, PairEvaluator, gray_levels
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model import context, features, lattice
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx

LEVELS = (1, 2, 3, 4)


class Int8Model:
    """Fuses as the `tensorrt` backend does in int8."""

    def __init__(self, model: FusionModel) -> None:
        self.model = model
        self.session = onnxruntime.InferenceSession(
            encoder_to_onnx(model.encoder, "int8"), providers=["CPUExecutionProvider"]
        )

    def fuse(self, visible: UInt8Array, infrared: UInt8Array) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`."""
        model, luma = self.model, features.luma(visible)
        planes = context.encoder_input(model.encoder, visible, infrared).astype(np.float16)
        (coarse,) = self.session.run(None, {"planes": planes[None]})
        scene = context.upsample(coarse[0, 0], model.encoder.stride, infrared.shape)
        edges = features.gradient(luma, model.gradient)
        served = model.lattice_at(features.place(visible, model))
        halves = served.astype(np.float16).astype(np.float32)
        model = replace(model, lattice=halves, dark=None)
        fused = lattice.look_up(model, luma, infrared.astype(np.float32), edges, scene, (0, 0.0))
        colored = features.replace_luma(visible, luma, fused)
        return np.clip(np.rint(colored), 0, 255).astype(np.uint8)


def main() -> None:
    """Print a table of the metrics, and how far pixels are apart."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", default="default", help="name or file (default)")
    options = parser.parse_args()
    model = load_model(options.model)
    reference, int8 = ReferenceBackend(model), Int8Model(model)
    normalizer = file_normalizer()
    scores: list[list[list[float]]] = []
    shares: list[list[float]] = []
    largest = 0
    for files in tqdm(find_dataset(options.dataset).pairs, unit=" pairs", disable=None):
        normalizer.reset()
        visible, infrared = load_pair(files, normalizer)
        images = [method.fuse(visible, infrared) for method in (reference, int8)]
        evaluator = PairEvaluator(visible, infrared)
        found = [evaluator.evaluate(gray_levels(image)) for image in images]
        scores.append([[each[name] for name in METRIC_NAMES] for each in found])
        difference = np.abs(images[0].astype(int) - images[1])
        shares.append([float(np.mean(difference <= level)) for level in LEVELS])
        largest = max(largest, int(difference.max()))
    exact, rounded = np.mean(scores, axis=0)
    print("| | reference | int8 | change |\n|---|---:|---:|---:|")
    for row in zip(METRIC_NAMES, exact, rounded, rounded / exact - 1, strict=True):
        print("| {} | {:.4f} | {:.4f} | {:+.3%} |".format(*row))
    for level, mean, worst in zip(LEVELS, *(f(shares, 0) for f in (np.mean, np.min)), strict=True):
        print(f"values within {level} gray levels: {mean:.3%}, of the worst pair {worst:.3%}")
    print(f"largest difference: {largest}")


if __name__ == "__main__":
    main()
