"""Compiles the CUDA sources with nvcc for the cards we care about; `make gpu-compile` calls it."""

import subprocess
import tempfile
from pathlib import Path

from lut_fuse_core.backends.gpu_source import cuda_source, plan_kernels
from lut_fuse_core.model_file import load_model

VARIANTS = (("fp16", False), ("fp16", True), ("fp32", False))  # precision, lattice in shared memory
CARDS = (87, 90, 110)  # Orin, Hopper, Thor


def main():
    targets = [f"-gencode=arch=compute_{card},code=sm_{card}" for card in CARDS]
    model = load_model("default")
    with tempfile.TemporaryDirectory() as folder:
        for precision, in_shared in VARIANTS:
            plan = plan_kernels(model, precision, lattice_in_shared=in_shared)
            source = Path(folder) / "kernels.cu"
            source.write_text(cuda_source(model, plan), encoding="utf-8")
            flags = [
                "-std=c++17",
                "--fatbin",
                "-Werror=all-warnings",
                "-diag-suppress=177",
            ]  # unused constants
            output = ["-o", str(Path(folder) / "kernels.fatbin"), str(source)]
            subprocess.run(["nvcc", "--threads=0", *flags, *targets, *output], check=True)
    cards = ", ".join(f"sm_{card}" for card in CARDS)
    print(f"CUDA sources compile for {cards} in fp16 and fp32")


main()
