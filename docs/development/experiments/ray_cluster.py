"""A batch on a local Ray cluster, while a worker, a node and the driver are killed.

    python docs/development/experiments/ray_cluster.py [BAGS]

Prints what happened, and whether every output is there once, equal to that of a serial run, and
none was made again after it had been there. Takes minutes.
"""

from __future__ import annotations

import filecmp
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lut_fuse_core.bag.demo_recording import record_street
from lut_fuse_core.synthetic import SceneConfig

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_raylet_start_wait_time_s"] = "300"  # noqa: SIM112

from ray.cluster_utils import Cluster

TOOL = Path(sys.executable).parent / "lut-fuse"
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
OWN = ("batch.sqlite", "batch.html", ".batch.lock", "batch.sqlite-wal", "batch.sqlite-shm")
"""Files of an output folder that are no outputs; SQLite makes the last two for readers."""


class Watch:
    """Looks at the outputs again and again: each may appear once, and never change."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.start = folder, time.monotonic()
        self.seen: dict[Path, tuple[int, int]] = {}
        self.again: list[Path] = []

    def look(self) -> None:
        """Note what is there by now."""
        for path in self.folder.glob("*/metadata.yaml"):
            facts = path.stat()
            mark = facts.st_ino, facts.st_mtime_ns
            if self.seen.setdefault(path, mark) != mark:
                self.again.append(path)
                self.seen[path] = mark

    def until(self, count: int, driver: subprocess.Popen[str], what: str) -> None:
        """Wait until so many outputs are noted as fused."""
        while self.states().get("fused", 0) < count:
            self.look()
            if driver.poll() is not None:
                sys.exit(f"the driver ended too early: {driver.communicate()}")
            time.sleep(0.2)
        self.look()
        print(f"{time.monotonic() - self.start:6.1f} s  {self.states()}: {what}", flush=True)

    def states(self) -> dict[str, int]:
        """How many outputs are in which state, from the manifest."""
        try:
            address = f"{(self.folder / 'batch.sqlite').as_uri()}?mode=ro"
            database = sqlite3.connect(address, uri=True)
            query = "SELECT state, count(*) FROM outputs GROUP BY state"
            found = dict(database.execute(query).fetchall())
            database.close()
        except sqlite3.Error:
            return {}
        return found


def worker() -> int:
    """The process of a task."""
    while True:
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and (folder / "cmdline").read_bytes().startswith(
                    b"ray::_attempt"
                ):
                    return int(folder.name)
            except OSError:
                continue


def files(folder: Path) -> list[Path]:
    """All outputs' files."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in OWN)
    return sorted(path.relative_to(folder) for path in found)


def main(count: int) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for number in range(count):
            config = SceneConfig(width=64, height=48, seed=number % 10)
            record_street(root / "recordings" / f"bag{number:04d}", config, 3)
        serial, output = root / "serial", root / "out"
        batch = [str(TOOL), "batch", str(root / "recordings"), "-o"]
        subprocess.run([*batch, str(serial), "--workers", "1"], check=True)
        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        nodes = [cluster.add_node(**NODE) for _ in range(2)]

        def start() -> subprocess.Popen[str]:
            words = [*batch, str(output), "--ray", cluster.address, "--json"]
            return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

        watch = Watch(output)
        driver = start()
        watch.until(count // 7, driver, "killing a worker")
        os.kill(worker(), signal.SIGKILL)
        watch.until(2 * count // 7, driver, "adding a node")
        cluster.add_node(**NODE)
        watch.until(3 * count // 7, driver, "killing a node")
        cluster.remove_node(nodes[0], allow_graceful=False)
        watch.until(4 * count // 7, driver, "killing the driver, and starting it again")
        driver.kill()
        driver.wait()
        watch.look()
        cluster.wait_for_nodes()  # Ray ends a driver that is given the node that was killed
        driver = start()
        while driver.poll() is None:
            watch.look()
            time.sleep(0.2)
        report = json.loads(driver.communicate()[0])
        watch.look()
        cluster.shutdown()
        differing = [f for f in files(serial) if not filecmp.cmp(serial / f, output / f, False)]
        print({key: report[key] for key in ("fused", "unchanged", "failed")}, watch.states())
        print(
            f"files as in the serial run: {files(serial) == files(output)}; differing: {differing}"
        )
        print(f"outputs that were made again after they were there: {watch.again}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
