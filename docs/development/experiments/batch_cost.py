"""What a batch costs as it grows: time per bag, and memory of the process that drives it.

    python docs/development/experiments/batch_cost.py 10 100 1000 10000 [--ray ADDRESS]

Bags of 20 pairs of 160x120 pixels: ten different ones, the others hard links to their data. Of each
count the time of the whole run, that from the start of the first bag to the end of the last, the
time of a second run, which has nothing to do, and the memory of the process that was started.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
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
            record_street(bag, SceneConfig(width=160, height=120, seed=number), 20)
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


def run(words: list[str]) -> tuple[float, list[float], int]:
    """Seconds, memory along the run and exit status of a command."""
    start, sizes = time.monotonic(), []
    driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, text=True)
    while driver.poll() is None:
        sizes.append(memory(driver))
        time.sleep(0.05)
    return time.monotonic() - start, sizes, driver.returncode


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
            words += ["--ray", options.ray] if options.ray else []
            seconds, sizes, status = run(words)
            again, _, _ = run(words)
            database = sqlite3.connect(root / "out" / "batch.sqlite")
            (fused, busy) = database.execute(
                "SELECT count(*), max(finished) - min(finished - seconds) FROM outputs "
                "WHERE state = 'fused'"
            ).fetchone()
            database.close()
            print(
                f"{count:6d} bags: {1000 * seconds / count:6.1f} ms a bag, "
                f"{1000 * busy / count:6.1f} between the first start and the last end; again "
                f"{again:.1f} s; driver {sizes[len(sizes) // 2]:.0f} MB half-way, "
                f"{max(sizes):.0f} MB at most; exit status {status}, {fused} fused",
                flush=True,
            )


if __name__ == "__main__":
    main()
