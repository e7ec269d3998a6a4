"""Runs the tasks of a batch on a Ray cluster, which places them and runs lost ones again."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lut_fuse_core import __version__
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.task import Task
from lut_fuse_core.batch.workers import KILLED, PATIENCE, Work
from lut_fuse_core.errors import InputError

if TYPE_CHECKING:
    from lut_fuse_core.model.fusion_model import FusionModel

RETRIES_ON_A_CLUSTER = 3
"""Retries unless the job says otherwise; Ray's own default."""

AHEAD = 2
"""Tasks that are submitted for each one that the cluster can run at a time."""

RECOUNT = 2.0
"""Seconds after which the cluster is asked again how many tasks it can run at a time."""

ANSWER = 10.0
"""Seconds that the head has to answer."""

GPU_BACKENDS = ("cuda", "tensorrt")

_MODELS: dict[str, FusionModel] = {}
"""Of a worker: the models that came with its tasks, by name. Ray copies one for each task; what is
made ready for a model serves as long as it is the same object."""


@dataclass(frozen=True)
class Share:
    """What a task needs of a node.

    Attributes:
        threads: Number of CPU cores.
        gpus: Number of GPUs, 0 or 1.
    """

    threads: int = 1
    gpus: int = 0

    def of(self, resources: dict[str, float]) -> int:
        """How many tasks fit into the resources of a node.

        Args:
            resources: Amounts by Ray's names, ``CPU`` and ``GPU``.
        """
        count = resources.get("CPU", 0.0) / self.threads
        return int(min(count, resources.get("GPU", 0.0)) if self.gpus else count)


@contextmanager
def connected(address: str, tasks: Iterable[Task]) -> Iterator[Any]:
    """Connect to a cluster that can run these tasks.

    Args:
        address: ``host:port`` of the cluster's head, or ``auto`` for the cluster of this machine.
        tasks: The tasks that it is for.

    Yields:
        The module ``ray``, connected until the block ends.

    Raises:
        InputError: If there is no such cluster, or none of its nodes has what a task needs.
        ModuleNotFoundError: If Ray is not installed.
    """
    ray = _connect(address)
    try:
        for share in {share_of(task) for task in tasks}:
            if not _slots(ray, share):
                needed = f"{share.threads} CPU{'s' if share.threads > 1 else ''}"
                also = " and a GPU, which the backend needs" if share.gpus else ""
                raise InputError(f"no node of the Ray cluster has {needed}{also}")
        yield ray
    finally:
        ray.shutdown()


def run_on_ray(
    ray: Any,
    tasks: Iterable[Task],
    work: Work,
    *,
    retries: int,
    started: Callable[[Task], None] = lambda task: None,
) -> Iterator[tuple[Task, Outcome]]:
    """Run tasks on a cluster.

    The model is sent with the tasks; paths must mean the same on all nodes. When the iterator is
    closed, or an error ends it, running tasks are canceled.

    Args:
        ray: As `connected` yields it.
        tasks: The tasks, in order.
        work: Does one task; a function of a module.
        retries: How often a task is run again if its worker or node is lost, or its failure may
            pass.
        started: Called with each task when it is submitted.

    Yields:
        Each task with its outcome, as it ends.
    """
    attempt = ray.remote(_attempt)
    models, capacity = _Models(ray), _Capacity(ray)
    running: dict[Any, Task] = {}
    try:
        for task in tasks:
            share = share_of(task)
            while len(running) >= AHEAD * capacity.slots(share):
                yield _next(ray, running)
            started(task)
            placed = attempt.options(
                num_cpus=share.threads,
                num_gpus=share.gpus,
                max_retries=retries,
                retry_exceptions=[_PassingError],
            )
            model = models.reference(task)
            running[placed.remote(task, model, work, share.threads, __version__)] = task
        while running:
            yield _next(ray, running)
    finally:
        _cancel(ray, list(running))


def share_of(task: Task) -> Share:
    """What a task needs of a node: a core or as many as it has threads; a GPU for its backend.

    Args:
        task: The task.
    """
    return Share(task.config.threads or 1, int(task.config.backend in GPU_BACKENDS))


def _next(ray: Any, running: dict[Any, Task]) -> tuple[Task, Outcome]:
    """The next task to end."""
    (done,) = ray.wait(list(running))[0]
    return running.pop(done), _result(ray, done)


class _PassingError(Exception):
    """A failure that may pass; its only argument is the outcome of the task."""


def _attempt(task: Task, model: FusionModel, work: Work, threads: int, version: str) -> Outcome:
    """Run a task in a worker of the cluster."""
    if version != __version__:
        return Outcome(
            "failed",
            error=f"the node {socket.gethostname()} has version {__version__} of this program, not "
            f"{version}; install the same version on all nodes",
        )
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2

    cv2.setNumThreads(threads)
    own = _MODELS.setdefault(str(task.config.model), model)
    outcome = work(replace(task, config=replace(task.config, model=own)))
    if outcome.passing:
        raise _PassingError(outcome)
    return outcome


def _result(ray: Any, done: Any) -> Outcome:
    """The outcome of a task that ended, whatever ended it."""
    errors = ray.exceptions
    try:
        outcome: Outcome = ray.get(done)
        return outcome
    except errors.RayTaskError as error:
        if isinstance(error.cause, _PassingError):
            given: Outcome = error.cause.args[0]
            return given
        last = str(error).strip().splitlines()[-1]
        return Outcome("failed", error=f"a worker could not run the task: {last}", passing=True)
    except errors.WorkerCrashedError:
        return Outcome("failed", error=KILLED, passing=True)
    except errors.RayError as error:
        first = str(error).strip().splitlines()[0]
        return Outcome("failed", error=f"the cluster lost the task: {first}", passing=True)


class _Models:
    """The models in the cluster's object store, each once."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._references: dict[str, Any] = {}

    def reference(self, task: Task) -> Any:
        """The reference of a task's model, for which Ray gives the worker the model itself."""
        from lut_fuse_core import load_model

        model = str(task.config.model)
        if model not in self._references:
            self._references[model] = self._ray.put(load_model(model))
        return self._references[model]


class _Capacity:
    """How many tasks the cluster can run at a time, as nodes come and go."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._known: dict[Share, tuple[float, int]] = {}

    def slots(self, share: Share) -> int:
        """The number, at least 1; asked again every few seconds."""
        asked, count = self._known.get(share, (-RECOUNT, 0))
        now = time.monotonic()
        if now - asked > RECOUNT:
            count = max(1, _slots(self._ray, share))
            self._known[share] = now, count
        return count


def _slots(ray: Any, share: Share) -> int:
    nodes = (each for each in ray.nodes() if each["Alive"])
    return sum(share.of(each["Resources"]) for each in nodes)


def _cancel(ray: Any, running: list[Any]) -> None:
    """Cancel tasks and give their workers time to clean up."""
    with suppress(Exception):
        for each in running:
            ray.cancel(each, force=False)
        if running:
            ray.wait(running, num_returns=len(running), timeout=PATIENCE)


def _connect(address: str) -> Any:
    """Ray, connected. Raises InputError."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address != "auto":
        _check_answers(address)
    import ray

    try:
        ray.init(
            address=address,
            namespace="lut-fuse",
            log_to_driver=False,
            logging_level=logging.ERROR,
            _skip_env_hook=True,
        )
    except ConnectionError as error:
        if address == "auto":
            raise InputError(
                "there is no Ray cluster on this machine; start one with 'ray start --head "
                "--disable-usage-stats', or name its address"
            ) from None
        raise InputError(f"the Ray cluster at {address} cannot be used ({_first(error)})") from None
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the Ray cluster at {address} cannot be used ({_first(error)})") from None
    return ray


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise InputError(f"'{address}' is no address of a Ray cluster; write HOST:PORT, or auto")
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"no Ray cluster answers at {address} ({getattr(error, 'strerror', None) or error}); "
            "'ray status' on its head shows whether it runs"
        ) from None


def _first(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
