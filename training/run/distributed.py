"""Several processes training one model: started by torchrun, gradients averaged after each step."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn

from lut_fuse_core.errors import InputError


def start(device: torch.device) -> tuple[int, int]:
    """Join the other processes if torchrun started this one.

    Returns:
        (rank, processes).
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return dist.get_rank(), dist.get_world_size()


def own_card(name: str) -> str:
    """The card that this process trains on: ``name`` (``cuda``, or one by number), but a card each
    if torchrun started several processes on this machine.

    Raises:
        InputError: If there are more processes than cards, or one card is named for all.
    """
    if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) == 1:
        return name
    place, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if name != "cuda":
        raise InputError(
            f"all processes of torchrun would train on {name}; give --device cuda, and each takes "
            "a card of its own"
        )
    if place >= cards:
        raise InputError(
            f"torchrun started more processes than there are cards here ({cards}); give as many by "
            "--nproc-per-node, or --device cpu"
        )
    return f"cuda:{place}"


def is_chief() -> bool:
    """Whether this process is the one that writes and prints."""
    return os.environ.get("RANK", "0") == "0"


def stop() -> None:
    """Leave the other processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def same_everywhere(module: nn.Module) -> None:
    """Give every process the weights of the first."""
    for parameter in module.parameters():
        dist.broadcast(parameter.data, 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
        at += gradient.numel()


def agree(progress: float, interrupted: bool, device: torch.device) -> tuple[float, bool]:
    """The progress of the first process, and whether any was interrupted: the same in all of them,
    since they must stop after the same step."""
    own = [progress if is_chief() else 0.0, float(interrupted)]
    shared = torch.tensor(own, dtype=torch.float64, device=device)
    dist.all_reduce(shared)
    return float(shared[0].item()), bool(shared[1].item())
