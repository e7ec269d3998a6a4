"""Training commands in a configuration so small that each runs in a second."""

from __future__ import annotations

from pathlib import Path

TINY = [
    "--set", "data.crop=48", "--set", "data.batch=2", "--set", "data.validation_share=0.3",
    "--set", "log.every=2", "--device", "cpu", "--quiet",
]  # fmt: skip
TINY_NET = ["--set", "network.width=8", "--set", "network.detail=4"]
TINY_LUT = [
    "--set", "student.nodes=5,5,3,3", "--set", "student.width=4", "--set", "loss.quality.qabf=1",
]  # fmt: skip


def distil_command(pairs: Path, teacher: Path, out: Path, steps: int = 6) -> list[str]:
    return [
        "distil", "--data", str(pairs), "--teacher", str(teacher), "--out", str(out),
        "--steps", str(steps), *TINY, *TINY_LUT,
    ]  # fmt: skip
