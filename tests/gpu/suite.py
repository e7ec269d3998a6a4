"""Everything about the GPU in one command: `python tests/gpu/suite.py`.

Compiles the CUDA sources for three cards, compares them with the reference on the host, runs the
tests on the card, looks for memory errors and races with compute-sanitizer, times all backends and
the published method, and writes `docs/gpu_measurements.md` and `.json`. What is missing on this
machine is skipped and listed with the reason.

Exit status: 0 if all that ran passed on a card, 1 if anything failed, 3 if there is no card here
and so nothing of what needs one was run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from lut_fuse_core.atomic import atomic_write  # noqa: E402
from lut_fuse_core.backends.gpu_device import GpuDevice, open_device  # noqa: E402
from lut_fuse_core.errors import BackendUnavailableError  # noqa: E402

NO_CARD = 3
SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SANITIZER_SECONDS = 60
SANITIZER_FOUND = 86

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Step:
    """What one step of the suite came to; note: why it failed or was skipped, or what it says."""

    name: str
    outcome: Outcome
    seconds: float
    note: str = ""


def main() -> int:
    """Run the suite."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs", help="folder for table and JSON (docs)"
    )
    options = parser.parse_args()
    try:
        device: GpuDevice | None = open_device()
        reason = ""
    except BackendUnavailableError as error:
        device, reason = None, str(error)
    steps = [compile_step(), host_step()]
    facts: dict[str, Any] = {}
    if device is None:
        names = ["tests on the card", *(f"compute-sanitizer {t}" for t in SANITIZER_TOOLS)]
        steps += [show(Step(n, "skipped", 0.0, reason)) for n in (*names, "times on the card")]
    else:
        steps.append(pytest_step("tests on the card", "tests/gpu/test_card.py"))
        steps += [sanitizer_step(tool) for tool in SANITIZER_TOOLS]
        timing, facts = timing_step(device)
        steps.append(timing)
    write_report(options.output, device, steps, facts)
    if any(step.outcome == "failed" for step in steps):
        return 1
    return 0 if device else NO_CARD


def compile_step() -> Step:
    """The CUDA sources, for the cards we build for, with nvcc and NVRTC, whichever is there."""
    if shutil.which("nvcc") is None and importlib.util.find_spec("cupy") is None:
        return show(Step("compilation", "skipped", 0.0, "neither nvcc nor CuPy is there"))
    return command_step("compilation", [sys.executable, str(ROOT / ".ci" / "gpu_compile.py")], 240)


def host_step() -> Step:
    """The same sources through a C++ compiler, against the reference."""
    if shutil.which("g++") is None and shutil.which("c++") is None:
        return show(Step("sources on the host", "skipped", 0.0, "there is no C++ compiler"))
    names = ("cuda_source", "gpu_backends", "gpu_choice", "gpu_fuser")
    files = [f"tests/core/test_{name}.py" for name in names]
    return pytest_step("sources on the host", *files, needs=("hypothesis", "onnxruntime"))


def pytest_step(name: str, *files: str, needs: tuple[str, ...] = ()) -> Step:
    """Tests in a process of their own; its last line is the note."""
    for module in ("pytest", *needs):
        if importlib.util.find_spec(module) is None:
            return show(Step(name, "skipped", 0.0, f"the module {module} is missing"))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    return command_step(name, command, 240)


def sanitizer_step(tool: str) -> Step:
    """A few frames of every variant under compute-sanitizer."""
    name = f"compute-sanitizer {tool}"
    if shutil.which("compute-sanitizer") is None:
        return show(Step(name, "skipped", 0.0, "compute-sanitizer is not on the PATH"))
    command = [
        *("compute-sanitizer", "--tool", tool, "--error-exitcode", str(SANITIZER_FOUND)),
        *(sys.executable, str(Path(__file__).parent / "sanitized.py")),
    ]
    return command_step(name, command, SANITIZER_SECONDS, not_supported="not supported")


def command_step(
    name: str, command: list[str], seconds: float, not_supported: str | None = None
) -> Step:
    """A command; it passes if it returns 0.

    not_supported: words in the output of a failure that mean that it cannot run on this machine;
    such a command may also be too slow for the suite.
    """
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, timeout=seconds, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        outcome: Outcome = "skipped" if not_supported else "failed"
        return show(Step(name, outcome, seconds, f"not finished after {seconds:.0f} s"))
    took = time.perf_counter() - start
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode == 0:
        return show(Step(name, "passed", took, lines[-1].strip("= ")))
    if not_supported and not_supported in done.stdout:
        line = next(line for line in lines if not_supported in line)
        return show(Step(name, "skipped", took, line.strip("= ")))
    print("\n".join(lines[-40:]), file=sys.stderr)
    return show(Step(name, "failed", took, lines[-1].strip("= ")))


def timing_step(device: GpuDevice) -> tuple[Step, dict[str, Any]]:
    """Times in this process."""
    from card_timing import measure_all

    start = time.perf_counter()
    try:
        facts = measure_all(device)
    except Exception as error:  # whatever the card says; the rest of the report must be written
        took = time.perf_counter() - start
        return show(Step("times on the card", "failed", took, str(error))), {}
    note = "; ".join(f"{name} skipped: {why}" for name, why in facts["skipped"].items())
    return show(Step("times on the card", "passed", time.perf_counter() - start, note)), facts


def show(step: Step) -> Step:
    """Print a step on stderr as soon as it is known."""
    print(f"{step.outcome:8} {step.name} ({step.seconds:.0f} s) {step.note}", file=sys.stderr)
    return step


def write_report(
    folder: Path, device: GpuDevice | None, steps: list[Step], facts: dict[str, Any]
) -> None:
    """`gpu_measurements.json` and `.md`."""
    card = None
    if device is not None:
        card = {"name": device.name, "compute_capability": device.capability}
    record = {
        "card": card,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "steps": [asdict(step) for step in steps],
        **facts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("gpu_measurements.json", json.dumps(record, indent=1) + "\n"),
        ("gpu_measurements.md", "\n".join(markdown(record)) + "\n"),
    ):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"wrote {folder / name}", file=sys.stderr)


def markdown(record: dict[str, Any]) -> list[str]:
    """The report as a table."""
    card = record["card"]
    lines = [
        "# GPU measurements",
        "",
        "Written by `python tests/gpu/suite.py`. "
        + (
            f"Card: {card['name']}, {record['date']}."
            if card
            else "**No card was there: nothing that needs one has been run, and no time measured.**"
        ),
        "",
        "| step | outcome | note |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {s['name']} | {s['outcome']} | {s['note']} |" for s in record["steps"]]
    if "times" not in record:
        return lines
    floor = record["floor"]
    published = {
        (t["width"], t["height"]): t["resident"]
        for t in record["times"]
        if t["variant"].startswith("published")
    }
    lines += [
        "",
        f"Copy bandwidth {floor['bandwidth'] / 1e9:.0f} GB/s, empty kernel in a graph "
        f"{floor['launch']:.2f} µs. Medians in µs; *resident*: input and output on the card; "
        "*host*: from and to pinned memory.",
        "",
        "| backend | size | resident | floor | faster than published | host | bare copies |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in record["times"]:
        size = f"{entry['width']}x{entry['height']}"
        base = published.get((entry["width"], entry["height"]))
        ratio = base / entry["resident"] if base and entry["resident"] else None
        cells = (
            (entry["resident"], ".1f"),
            (floor["frame"].get(size), ".1f"),
            (ratio, ".1f"),
            (entry["host"], ".0f"),
            (floor["copies"].get(size), ".0f"),
        )
        shown = " | ".join("" if value is None else f"{value:{form}}" for value, form in cells)
        lines.append(f"| {entry['variant']} | {size} | {shown} |")
    for name, why in record["skipped"].items():
        lines.append(f"\nNot run: {name}: {why}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
