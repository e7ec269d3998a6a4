"""Compiles the CUDA sources for the cards we care about; `make gpu-compile` calls it.

With nvcc, and with NVRTC where CuPy is installed: that is the compiler on a robot, and it knows no
host functions. Neither needs a GPU.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lut_fuse_core.backends.gpu.source import cuda_source, plan_kernels
from lut_fuse_core.model.file import load_model

PRECISIONS = ("fp16", "fp32")
CARDS = (87, 90, 110)
"""Orin, Hopper, Thor; compilers of CUDA 12 do not know the last."""


def main():
    try:
        from cupy.cuda import nvrtc
    except ImportError:
        nvrtc = None
    compilers = [name for name in ("nvcc",) if shutil.which(name)] + ["NVRTC"] * bool(nvrtc)
    if not compilers:
        sys.exit("gpu-compile: neither nvcc nor CuPy is there; install the CUDA toolkit")
    compiled = set()
    model = load_model("default")
    for precision in PRECISIONS:
        source = cuda_source(model, plan_kernels(model, precision))
        if "nvcc" in compilers:
            compiled |= compile_with_nvcc(source)
        if nvrtc:
            compiled |= compile_with_nvrtc(nvrtc, source)
    cards = ", ".join(f"sm_{card}" for card in sorted(compiled))
    print(f"CUDA sources compile with {' and '.join(compilers)} for {cards}, fp16 and fp32")
    if missing := set(CARDS) - compiled:
        cards = ", ".join(f"sm_{card}" for card in sorted(missing))
        print(f"Not compiled, since this CUDA does not know them: {cards}")


def compile_with_nvcc(source):
    listed = subprocess.run(
        ["nvcc", "--list-gpu-arch"], check=True, capture_output=True, text=True
    ).stdout.split()
    cards = {card for card in CARDS if f"compute_{card}" in listed}
    if not cards:
        sys.exit("gpu-compile: this nvcc knows none of the cards; a newer CUDA is needed")
    targets = [f"-gencode=arch=compute_{card},code=sm_{card}" for card in sorted(cards)]
    flags = ["-std=c++17", "--fatbin", "--threads=0", "-Werror=all-warnings"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernels.cu"
        file.write_text(source, encoding="utf-8")
        output = ["-o", str(file.with_suffix(".fatbin")), str(file)]
        subprocess.run(["nvcc", *flags, *targets, *output], check=True)
    return cards


def compile_with_nvrtc(nvrtc, source):
    cards = set(CARDS) & set(nvrtc.getSupportedArchs())
    for card in cards:
        program = nvrtc.createProgram(source, "kernels.cu", (), ())
        try:
            nvrtc.compileProgram(program, ("--std=c++17", f"-arch=sm_{card}"))
        except nvrtc.NVRTCError:
            sys.exit(f"gpu-compile: sm_{card} with NVRTC:\n{nvrtc.getProgramLog(program)}")
    return cards


main()
