"""Two processes, as torchrun starts them, train as one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from lut_fuse_training.checkpoint import CHECKPOINT, read_tensors
from lut_fuse_training.run import distributed
from lut_fuse_training.run.options import device_from
from tiny_runs import distil_command

from lut_fuse_core.errors import InputError

PROCESS = """
import json, os, runpy, sys, torch
from lut_fuse_training.run import distributed
cpu = torch.device("cpu")
rank, world = distributed.start(cpu)
torch.manual_seed(rank)
layer = torch.nn.Linear(3, 2)
distributed.same_everywhere(layer)
start = layer.weight.detach().clone()
(layer(torch.full((1, 3), float(rank)))).sum().backward()
distributed.average_gradients(layer.parameters())
print(json.dumps({
    "rank": rank, "world": world, "start": start.tolist(), "gradient": layer.weight.grad.tolist(),
    "agreed": distributed.agree(rank + 0.5, rank == 1, cpu), "chief": distributed.is_chief(),
}), flush=True)
distributed.stop()
os.environ["MASTER_PORT"] = sys.argv[1]
sys.argv[:2] = ["training"]
runpy.run_module("training", run_name="__main__", alter_sys=True)
"""
"""Says what a process of two is told, then does what `python -m training` does."""


@dataclass(frozen=True)
class Ended:
    """What became of two processes.

    Attributes:
        told: What each was told, from the first to the second.
        statuses: With which they ended.
        errors: What they printed.
        folder: In which they trained.
    """

    told: list[dict[str, Any]]
    statuses: list[int]
    errors: list[str]
    folder: Path


def started_by_torchrun(arguments: list[str], port: int) -> list[subprocess.Popen[str]]:
    """Two processes that run Python with these arguments."""
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = {**os.environ, **common, "PYTHONPATH": str(Path(__file__).parents[2])}
    return [
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**environment, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (one, other)]


@pytest.fixture(scope="module")
def ended(pairs_folder: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Two processes, of which the second is interrupted once training has begun."""
    folder, (port, second_port) = tmp_path_factory.mktemp("distributed"), free_ports()
    command = distil_command(pairs_folder, teacher, folder)
    place = command.index("--steps")
    command[place : place + 2] = ["--minutes", "5", "--threads", "1"]
    started = started_by_torchrun(["-c", PROCESS, str(second_port), *command], port)
    deadline = time.monotonic() + 600
    while not (folder / "log.jsonl").exists() and time.monotonic() < deadline:
        if any(process.poll() is not None for process in started):
            break
        time.sleep(0.1)
    started[1].send_signal(signal.SIGTERM)
    try:
        said = [process.communicate(timeout=600) for process in started]
    finally:
        for process in started:
            process.kill()
    errors = [each for _, each in said]
    told = [json.loads(line) for output, _ in said for line in output.splitlines()[:1]]
    return Ended(told, [process.returncode for process in started], errors, folder)


def test_two_processes_share_weights_gradients_and_the_moment_to_stop(ended: Ended) -> None:
    first, second = ended.told
    assert (first["rank"], second["rank"], first["world"]) == (0, 1, 2)
    assert first["start"] == second["start"]
    assert first["gradient"] == second["gradient"] == [[0.5] * 3] * 2
    assert first["agreed"] == second["agreed"] == [0.5, True]
    assert (first["chief"], second["chief"]) == (True, False)


def test_when_one_process_is_interrupted_all_stop_and_the_first_saves(ended: Ended) -> None:
    assert ended.statuses == [130, 130], ended.errors
    assert read_tensors(ended.folder / CHECKPOINT)["step"] >= 2


def test_one_process_needs_no_others() -> None:
    assert distributed.start(torch.device("cpu")) == (0, 1)
    assert distributed.is_chief()


def test_each_of_several_processes_takes_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed.own_card("cuda:1") == "cuda:1"
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    for place in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", place)
        assert distributed.own_card("cuda") == f"cuda:{place}"
    with pytest.raises(InputError, match="--device cuda"):
        distributed.own_card("cuda:0")


def test_more_processes_than_cards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    for name in ("cuda", "auto"):
        with pytest.raises(InputError, match=r"more processes than .* cards here \(1\)"):
            device_from(name)
