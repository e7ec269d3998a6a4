"""Two processes, as torchrun starts them, train as one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lut_fuse_training.checkpoint import CHECKPOINT, read_tensors
from lut_fuse_training.run import distributed
from lut_fuse_training.run.options import device_from
from tiny_runs import distil_command

from lut_fuse_core.errors import InputError

PROCESS = """
import json, torch
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
}))
distributed.stop()
"""


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


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def test_two_processes_share_weights_gradients_and_the_moment_to_stop(port: int) -> None:
    started = started_by_torchrun(["-c", PROCESS], port)
    first, second = (json.loads(process.communicate(timeout=600)[0]) for process in started)
    assert (first["rank"], second["rank"], first["world"]) == (0, 1, 2)
    assert first["start"] == second["start"]
    assert first["gradient"] == second["gradient"] == [[0.5] * 3] * 2
    assert first["agreed"] == second["agreed"] == [0.5, True]
    assert (first["chief"], second["chief"]) == (True, False)


def test_when_one_process_is_interrupted_all_stop_and_the_first_saves(
    pairs_folder: Path, teacher: Path, tmp_path: Path, port: int
) -> None:
    command = distil_command(pairs_folder, teacher, tmp_path / "run")
    place = command.index("--steps")
    command[place : place + 2] = ["--minutes", "5", "--threads", "1"]
    started = started_by_torchrun(["-m", "training", *command], port)
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + 600
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    started[1].send_signal(signal.SIGTERM)
    try:
        ended = [process.communicate(timeout=600)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [130, 130], ended
    assert read_tensors(tmp_path / "run" / CHECKPOINT)["step"] >= 2


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
