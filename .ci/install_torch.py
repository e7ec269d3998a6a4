"""Installs the PyTorch the tests are pinned to, if a build for CPUs can be had; else says so.

The plain wheel for x86-64 Linux brings gigabytes of CUDA libraries, which no test needs.
"""

import json
import subprocess
import sys

VERSION = "2.13.0"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PIP, *arguments], capture_output=True, text=True, check=False)


def plain_wheel_is_for_cpus() -> bool:
    report = pip(
        "install", "--dry-run", "--quiet", "--no-deps", "--ignore-installed",
        "--report", "-", f"torch=={VERSION}",
    )  # fmt: skip
    if report.returncode != 0:
        return False
    wheel = json.loads(report.stdout)["install"][0]["metadata"]
    return not any(name.startswith(("nvidia", "cuda")) for name in wheel.get("requires_dist", []))


def main() -> None:
    try:
        import torch

        if torch.__version__.split("+")[0] == VERSION:
            return
    except ImportError:
        pass
    if pip("install", "--quiet", f"torch=={VERSION}+cpu").returncode == 0:
        return
    if plain_wheel_is_for_cpus() and pip("install", "--quiet", f"torch=={VERSION}").returncode == 0:
        return
    print(
        f"\n*** No CPU build of torch {VERSION} for Python {sys.version_info[0]}."
        f"{sys.version_info[1]} in the package sources of this machine: the training tests will be "
        "skipped.\n*** To run them, add PyTorch's index of CPU wheels: "
        "PIP_EXTRA_INDEX_URL=... make test\n",
        file=sys.stderr,
    )


main()
