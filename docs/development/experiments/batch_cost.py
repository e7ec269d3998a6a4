"""What a batch costs as it grows: time per bag, and memory of the process that drives it.

    python docs/development/experiments/batch_cost.py 10 100 1000 10000 [--ray ADDRESS]

Bags of one pair of 64x48 pixels, so that nearly all is overhead. Time is that of the CPU, which
other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lut_fuse_core.bag.demo_recording import record_street
from lut_fuse_core.synthetic import SceneConfig

TOOL = Path(sys.executable).parent / "lut-fuse"


def recordings(folder: Path, count: int) -> None:
    """So many bags: ten different ones, the others hard links to their data."""
    for number in range(count):
        bag = folder / f"site{number // 1000:02d}" / f"bag{number:05d}"
        source = folder / "site00" / f"bag{number % 10:05d}"
        if bag == source:
            record_street(bag, SceneConfig(width=64, height=48, seed=number), 1)
            continue
        bag.mkdir(parents=True)
        for file in source.iterdir():
            target = bag / file.name.replace(source.name, bag.name)
            if file.suffix == ".yaml":
                target.write_text(file.read_text().replace(source.name, bag.name))
            else:
                os.link(file, target)


def memory(process: subprocess.Popen[str]) -> float:
    """Resident MB of a process; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--ray", help="address of a cluster")
    options = parser.parse_args()
    for count in options.counts:
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary)
            recordings(root / "recordings", count)
            words = [str(TOOL), "batch", str(root / "recordings"), "-o", str(root / "out")]
            words += ["--ray", options.ray] if options.ray else ["--workers", "1"]
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            driver = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            sizes = []
            while driver.poll() is None:
                sizes.append(memory(driver))
                time.sleep(0.5)
            wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            middle, last = sizes[len(sizes) // 2], max(sizes)
            print(
                f"{count:6d} bags: {1000 * busy / count:7.1f} ms of CPU and "
                f"{1000 * wall / count:7.1f} ms a bag; driver {middle:.0f} MB half-way, {last:.0f} "
                f"MB at most",
                flush=True,
            )


if __name__ == "__main__":
    main()
