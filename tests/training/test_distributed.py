"""Two processes, as torchrun starts them, train as one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from training import distributed

PROCESS = """
import json, torch
from training import distributed
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
    "agreed": distributed.agree(rank + 0.5, cpu), "chief": distributed.is_chief(),
}))
distributed.stop()
"""


def test_two_processes_share_weights_gradients_and_the_moment_to_stop() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = {**os.environ, **common, "PYTHONPATH": str(Path(__file__).parents[2])}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            env={**environment, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    first, second = (json.loads(process.communicate(timeout=120)[0]) for process in started)
    assert (first["rank"], second["rank"], first["world"]) == (0, 1, 2)
    assert first["start"] == second["start"]
    assert first["gradient"] == second["gradient"] == [[0.5] * 3] * 2
    assert first["agreed"] == second["agreed"] == 0.5
    assert (first["chief"], second["chief"]) == (True, False)


def test_one_process_needs_no_others() -> None:
    assert distributed.start(torch.device("cpu")) == (0, 1)
    assert distributed.is_chief()
