"""Whether training on a card learns what it learns on the CPU: a few steps of a distillation
without teacher, on the CPU and on the card in every precision; run by the suite.

python tests/gpu/training_on_card.py PAIRS [DEVICE]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from lut_fuse_training.__main__ import main as train

from lut_fuse_core.model.file import load_model

STEPS = 20
SETTINGS = (
    "loss.intensity=0", "loss.structure=0", "loss.twilight=1", "loss.twilight_limit=0",
    "loss.steepness=1", "loss.markings=100",
    "loss.quality.mi=1", "loss.quality.ssim=1", "loss.quality.qabf=1", "loss.quality.vif=0.1",
    "student.dark=30,60,120", "student.pool=1", "student.width=8", "data.crop=96", "data.batch=4",
    "data.synthetic_share=0.25", "data.synthetic_scenes=1", "data.validation_share=0.3",
)  # fmt: skip
NEAR = {"float32": 0.02, "bfloat16": 0.05, "float16": 0.05}
"""How far the lattices may be from those of the CPU, mean of what 20 steps have moved being 1."""


def lattices(pairs: str, folder: Path, device: str, precision: str, steps: int) -> np.ndarray:
    """All lattices after so many steps."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "run"
    command = ["distil", "--data", pairs, "--out", str(out), "--steps", str(steps), "--quiet"]
    command += ["--device", device, "--precision", precision]
    for setting in SETTINGS:
        command += ["--set", setting]
    if train(command) != 0:
        sys.exit(f"training on {device} in {precision} failed")
    model = load_model(out / "model.safetensors")
    return np.stack(model.lattices)


def main() -> int:
    """0 if every precision agrees."""
    pairs, device = sys.argv[1], "cuda" if len(sys.argv) < 3 else sys.argv[2]
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = lattices(pairs, folder, "cpu", "float32", 1)
        after = lattices(pairs, folder, "cpu", "float32", STEPS)
        moved = np.abs(after - before).mean()
        for precision, near in NEAR.items():
            found = lattices(pairs, folder, device, precision, STEPS)
            apart = float(np.abs(found - after).mean() / moved)
            bad += apart > near
            print(f"{device} {precision}: {apart:.4f} of what was learned apart, {near} allowed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
