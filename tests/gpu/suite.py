"""Everything about the GPU in one command: `python tests/gpu/suite.py`.

Runs the tests on the card, times all backends and the published method, looks for memory errors and
races with compute-sanitizer, compiles the CUDA sources for three cards, compares them with the
reference on the host, and writes `docs/development/gpu_measurements.md` and `.json` after every
step: a card is often available for minutes only, and what needs it comes first. What is missing on
this machine, or finds no time, is skipped and listed with the reason.

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
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import bare_machine  # noqa: E402
from card_models import SHARED  # noqa: E402

from lut_fuse_core.atomic import atomic_write  # noqa: E402
from lut_fuse_core.backends.gpu.device import GpuDevice, open_device  # noqa: E402
from lut_fuse_core.backends.gpu.tensorrt_engine import open_tensorrt  # noqa: E402
from lut_fuse_core.errors import BackendUnavailableError  # noqa: E402

NO_CARD = 3
SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SANITIZER_SECONDS = 90
SANITIZER_FOUND = 86
TRAINING_SECONDS = 120
TRAINING_MODULES = ("torch", "cv2", "onnxruntime", "safetensors", "tqdm", "yaml")
LEAST_SECONDS = 5
TESTS_SECONDS = 360
SECONDS = 570
"""Less than the ten minutes that a whole run may take."""

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
        "--output",
        type=Path,
        default=ROOT / "docs" / "development",
        help="folder for table and JSON (docs/development)",
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"for all steps together ({SECONDS})"
    )
    parser.add_argument(
        "--only", metavar="WORD", default="", help="only steps whose names hold this, e.g. TensorRT"
    )
    options = parser.parse_args()
    end = time.perf_counter() + options.seconds
    try:
        device: GpuDevice | None = open_device()
        reason = ""
    except BackendUnavailableError as error:
        device, reason = None, str(error)
    steps: list[Step] = []
    facts: dict[str, Any] = {}
    for name, work in planned(device, facts).items():
        if options.only not in name:
            continue
        left = end - time.perf_counter()
        if work is None:
            step = Step(name, "skipped", 0.0, reason)
        elif left < LEAST_SECONDS:
            step = Step(name, "skipped", 0.0, "no time was left")
        else:
            step = work(name, left)
        print(f"{step.outcome:8} {name} ({step.seconds:.0f} s) {step.note}", file=sys.stderr)
        steps.append(step)
        write_report(options.output, device, steps, facts)
    if any(step.outcome == "failed" for step in steps):
        return 1
    return 0 if device else NO_CARD


Work = Callable[[str, float], Step]
"""Takes the step's name and the seconds that are left."""


def planned(device: GpuDevice | None, facts: dict[str, Any]) -> dict[str, Work | None]:
    """All steps in their order; None for what needs a card where there is none.

    facts: the times are put here.
    """

    def times(timing: Any, end: float) -> None:
        timing.measure_all(device, facts, end)

    def tensorrt_times(timing: Any, end: float) -> None:
        timing.measure_tensorrt(device, facts, end)

    card: dict[str, Work] = {
        "tests on the card": partial(card_tests_step, "not tensorrt"),
        "times on the card": partial(timing_step, times, facts),
        **{f"compute-sanitizer {tool}": partial(sanitizer_step, tool) for tool in SANITIZER_TOOLS},
        "training on the card": training_step,
        # Its engines take long to build: what needs none comes before.
        **{
            name: partial(tensorrt_step, work)
            for name, work in (
                ("tests of TensorRT", partial(card_tests_step, "tensorrt and not int8")),
                ("times of TensorRT", partial(timing_step, tensorrt_times, facts)),
                ("tests of TensorRT in int8", partial(card_tests_step, "tensorrt and int8")),
            )
        },
    }
    return {
        **{name: work if device else None for name, work in card.items()},
        "compilation": compile_step,
        "sources on the host": host_step,
    }


def card_tests_step(chosen: str, name: str, left: float) -> Step:
    """Those tests on the card whose names match; see pytest's -k."""
    return pytest_step(name, min(left, TESTS_SECONDS), "tests/gpu/test_card.py", "-k", chosen)


def training_step(name: str, left: float) -> Step:
    """A few steps of training on the card, in every precision, against the same on the CPU."""
    pairs = SHARED / "data" / "roadscene" / "train"
    if not pairs.is_dir():
        return Step(name, "skipped", 0.0, "there are no photographs to train on")
    if missing := missing_module(*TRAINING_MODULES):
        return Step(name, "skipped", 0.0, missing)
    command = [sys.executable, str(Path(__file__).parent / "training_on_card.py"), str(pairs)]
    return command_step(name, command, min(left, TRAINING_SECONDS), may_be_slow=True)


def tensorrt_step(work: Work, name: str, left: float) -> Step:
    """A step that needs TensorRT."""
    try:
        open_tensorrt()
    except BackendUnavailableError as error:
        return Step(name, "skipped", 0.0, str(error))
    return work(name, left)


def compile_step(name: str, left: float) -> Step:
    """The CUDA sources, for the cards we build for, with nvcc and NVRTC, whichever is there."""
    if shutil.which("nvcc") is None and importlib.util.find_spec("cupy") is None:
        return Step(name, "skipped", 0.0, "neither nvcc nor CuPy is there")
    if missing := missing_module("safetensors"):
        return Step(name, "skipped", 0.0, missing)
    command = [sys.executable, str(ROOT / ".ci" / "gpu_compile.py")]
    return command_step(name, command, left, may_be_slow=True)


def host_step(name: str, left: float) -> Step:
    """The same sources through a C++ compiler, against the reference."""
    if shutil.which("g++") is None and shutil.which("c++") is None:
        return Step(name, "skipped", 0.0, "there is no C++ compiler")
    if missing := missing_module("hypothesis", "onnx", "onnxruntime", "cv2"):
        return Step(name, "skipped", 0.0, missing)
    names = ("cuda_source", "gpu_backends", "gpu_choice", "gpu_fuser", "gpu_tensorrt")
    return pytest_step(
        name, left, *(f"tests/core/backends/gpu/test_{n}.py" for n in names), may_be_slow=True
    )


def missing_module(*names: str) -> str:
    """What to say of the first of these modules that is not there; empty if all are."""
    # A stand-in has no specification to find, and a process of its own would not have it.
    missing = [
        name
        for name in names
        if name in bare_machine.REPLACED or importlib.util.find_spec(name) is None
    ]
    return f"the module {missing[0]} is missing" if missing else ""


def pytest_step(name: str, left: float, *arguments: str, may_be_slow: bool = False) -> Step:
    """Tests in a process of their own; its last line is the note."""
    if missing := missing_module("pytest"):
        return Step(name, "skipped", 0.0, missing)
    plugins = ["-p", "no:cacheprovider", "-p", "bare_machine"]
    command = [sys.executable, "-m", "pytest", *plugins, *arguments]
    return command_step(name, command, left, may_be_slow)


def sanitizer_step(tool: str, name: str, left: float) -> Step:
    """A few frames of every variant under compute-sanitizer."""
    if shutil.which("compute-sanitizer") is None:
        return Step(name, "skipped", 0.0, "compute-sanitizer is not on the PATH")
    command = [
        *("compute-sanitizer", "--tool", tool, "--error-exitcode", str(SANITIZER_FOUND)),
        *(sys.executable, str(Path(__file__).parent / "sanitized.py")),
    ]
    seconds = min(left, SANITIZER_SECONDS)
    return command_step(name, command, seconds, may_be_slow=True, not_supported="not supported")


def command_step(
    name: str,
    command: list[str],
    seconds: float,
    may_be_slow: bool = False,
    not_supported: str | None = None,
) -> Step:
    """A command; it passes if it returns 0.

    may_be_slow: whether it counts as skipped, not as failed, if it does not end in time.
    not_supported: words in the output of a failure that mean that it cannot run on this machine.
    """
    start = time.perf_counter()
    # What was on the path before stays there: on a lent machine it may hold what was brought along.
    inherited = [folder for folder in (os.environ.get("PYTHONPATH"),) if folder]
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), *inherited])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, errors="replace", start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as stopped:
        # With what it started: a program under compute-sanitizer would go on and spoil the times.
        os.killpg(running.pid, signal.SIGKILL)
        output = stopped.stdout or ""
        output = output.decode(errors="replace") if isinstance(output, bytes) else output
        outcome: Outcome = "skipped" if may_be_slow else "failed"
        print(output[-4000:], file=sys.stderr)
        return Step(name, outcome, seconds, f"not finished after {seconds:.0f} s")
    except BaseException:
        os.killpg(running.pid, signal.SIGKILL)
        raise
    took = time.perf_counter() - start
    lines = output.strip().splitlines() or [""]
    if running.returncode == 0:
        return Step(name, "passed", took, lines[-1].strip("= "))
    if not_supported and not_supported in output:
        line = next(line for line in lines if not_supported in line)
        return Step(name, "skipped", took, line.strip("= "))
    print("\n".join(lines[-60:]), file=sys.stderr)
    return Step(name, "failed", took, lines[-1].strip("= "))


def timing_step(
    measure: Callable[[Any, float], None], facts: dict[str, Any], name: str, left: float
) -> Step:
    """Times in this process; what was measured before something failed is kept.

    measure: takes the module `card_timing`, and the end as `time.perf_counter` tells it, and adds
    to the ``times`` of the facts.
    """
    start, before = time.perf_counter(), len(facts.get("times", ()))
    try:
        import card_timing

        measure(card_timing, start + left)
    except Exception as error:  # whatever the card says; the rest of the report must be written
        traceback.print_exc()
        return Step(name, "failed", time.perf_counter() - start, f"{type(error).__name__}: {error}")
    found = len(facts["times"]) - before
    outcome: Outcome = "passed" if found else "skipped"
    return Step(name, outcome, time.perf_counter() - start, f"{found} times")


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
    if device is not None:
        record["replaced"] = bare_machine.REPLACED
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("gpu_measurements.json", json.dumps(record, indent=1) + "\n"),
        ("gpu_measurements.md", "\n".join(markdown(record)) + "\n"),
    ):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


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
    if "times" not in record or "floor" not in record:
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
