"""A batch on Ray: what is lost is done again, and nothing else; a real local cluster."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lut_fuse_core.batch.cluster import connected, run_on_ray, share_of
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.task import FileSettings, Task
from lut_fuse_core.batch.workers import KILLED
from lut_fuse_core.cli import main
from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.config import PipelineConfig

# What cannot work; this needs no Ray.


def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:{port}", "no Ray cluster answers at 127.0.0.1:"),
        ("no.such.host.invalid:6379", "no Ray cluster answers at no.such.host.invalid:6379"),
        ("ray://head:10001", "is no address of a Ray cluster; write HOST:PORT, or auto"),
        ("head", "is no address of a Ray cluster"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_named_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, words: str
) -> None:
    (tmp_path / "bag.mcap").touch()
    address = address.format(port=unused_port())
    out = tmp_path / "out"
    status = main(["batch", str(tmp_path / "bag.mcap"), "-o", str(out), "--ray", address])
    errors = capsys.readouterr().err
    assert status == 2
    assert words in errors
    assert errors.count("\n") == 1
    assert not out.exists()


def test_without_ray_the_command_that_installs_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "bag.mcap").touch()
    words = ["batch", str(tmp_path / "bag.mcap"), "-o", str(tmp_path / "out"), "--ray", "auto"]
    assert main(words) == 1
    assert "lut_fuse_ros[cluster]" in capsys.readouterr().err


def test_a_gpu_backend_takes_a_gpu_and_threads_take_cores(tmp_path: Path) -> None:
    for config, expected in (
        (PipelineConfig(), (1, 0)),
        (PipelineConfig(backend="cuda"), (1, 1)),
        (PipelineConfig(threads=3), (3, 0)),
    ):
        share = share_of(task(tmp_path, "a", config))
        assert (share.threads, share.gpus) == expected


# With Ray.


def task(folder: Path, name: str, config: PipelineConfig | None = None) -> Task:
    source = BatchInput("bag", (folder / name,), Path(name))
    return Task(source, folder / "out" / name, config or PipelineConfig(), FileSettings())


def attempts(given: Task) -> int:
    """Note one more attempt at a task; how many there were before."""
    note = Path(f"{given.input.paths[0]}.attempts")
    before = note.stat().st_size if note.exists() else 0
    with note.open("a") as stream:
        stream.write("x")
    return before


def killed_at_first(given: Task) -> Outcome:
    if attempts(given) == 0 and given.input.paths[0].name == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome("fused", pairs=7)


def fails_at_first(given: Task) -> Outcome:
    first = attempts(given) == 0
    return Outcome("failed", error="no room", passing=True) if first else Outcome("fused")


def waits_at_first(given: Task) -> Outcome:
    """Blocks on the node that is to be lost, and says that it does."""
    import ray

    if attempts(given) == 0:
        note = Path(f"{given.input.paths[0]}.node")
        note.with_suffix(".new").write_text(ray.get_runtime_context().get_node_id())
        note.with_suffix(".new").rename(note)
        threading.Event().wait()
    return Outcome("fused", pairs=9)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes, each with one core, on ports of their own."""
    pytest.importorskip("ray", reason="no Ray: pip install '.[cluster]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_raylet_start_wait_time_s"] = "300"  # noqa: SIM112
    import ray
    from ray.cluster_utils import Cluster

    # Workers cannot import this module.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    settings = {"num_cpus": 1, "object_store_memory": 80 << 20}
    made = Cluster(initialize_head=True, head_node_args={**settings, "include_dashboard": False})
    made.add_node(**settings)
    yield made
    made.shutdown()


def outcomes(cluster: Any, tasks: list[Task], work: Any, retries: int) -> dict[str, Outcome]:
    with connected(cluster.address, tasks) as ray:
        done = run_on_ray(ray, tasks, work, retries=retries)
        return {each.input.paths[0].name: outcome for each, outcome in done}


def test_a_worker_that_is_killed_takes_its_task_with_it_which_is_done_again(
    cluster: Any, tmp_path: Path
) -> None:
    tasks = [task(tmp_path, name) for name in ("a", "deadly", "c", "d")]
    done = outcomes(cluster, tasks, killed_at_first, retries=2)
    assert {name: outcome.pairs for name, outcome in done.items()} == dict.fromkeys(
        ("a", "deadly", "c", "d"), 7
    )
    counts = {path.stem: path.stat().st_size for path in tmp_path.glob("*.attempts")}
    assert counts == {"a": 1, "deadly": 2, "c": 1, "d": 1}


def test_without_retries_a_killed_worker_fails_its_own_task_only(
    cluster: Any, tmp_path: Path
) -> None:
    tasks = [task(tmp_path, name) for name in ("a", "deadly")]
    done = outcomes(cluster, tasks, killed_at_first, retries=0)
    assert done["a"].state == "fused"
    assert (done["deadly"].error, done["deadly"].passing) == (KILLED, True)


@pytest.mark.parametrize(("retries", "state"), [(0, "failed"), (1, "fused")])
def test_what_may_pass_is_done_again_as_often_as_asked(
    cluster: Any, tmp_path: Path, retries: int, state: str
) -> None:
    done = outcomes(cluster, [task(tmp_path, "a")], fails_at_first, retries)
    assert done["a"].state == state


def test_the_task_of_a_node_that_is_lost_is_done_on_another(cluster: Any, tmp_path: Path) -> None:
    large = [cluster.add_node(num_cpus=3, object_store_memory=80 << 20) for _ in range(2)]
    given = task(tmp_path, "a", PipelineConfig(threads=3))  # there is room for it on these only

    def lose() -> None:
        while not (tmp_path / "a.node").exists():
            time.sleep(0.05)
        name = (tmp_path / "a.node").read_text()
        (node,) = (each for each in large if each.node_id == name)
        cluster.remove_node(node, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    done = outcomes(cluster, [given], waits_at_first, retries=3)
    losing.join()
    assert done["a"].pairs == 9
    assert (tmp_path / "a.attempts").stat().st_size == 2


def test_a_cluster_without_gpus_refuses_a_job_that_needs_them(cluster: Any, tmp_path: Path) -> None:
    tasks = [task(tmp_path, "a", PipelineConfig(backend="cuda"))]
    with (
        pytest.raises(InputError, match="no node of the Ray cluster has 1 CPU and a GPU"),
        connected(cluster.address, tasks),
    ):
        pass
