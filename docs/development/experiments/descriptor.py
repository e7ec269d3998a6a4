"""Whether a descriptor learned across the cameras finds more matches than edges do.

    python docs/development/experiments/descriptor.py DATA/roadscene/train DATA/m3svd --minutes 28

Trains on every second pair and on frames of the videos, and prints, for the other pairs: the share
of cells whose best label of 25, across or down, lies within one of the truth; and the same for the
half of the cells with most structure. PyTorch is needed, the extra `training`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.registration.edge_channels import gray_levels
from lut_fuse_core.registration.field.edges import edge_channels
from lut_fuse_core.registration.field.grid import CELL, WorkingGrid
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.matching import match

REACH = 12
CROP = 96, 176
BATCH = 6

Pair = tuple[np.ndarray, np.ndarray]


class Side(nn.Module):
    """One camera's network, from gray levels to channels at half the resolution."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, width, 5, 2, 2), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()),
            nn.Conv2d(width, channels, 3, 1, 1),
        )

    def forward(self, gray: Tensor) -> Tensor:
        """``(N, 1, H, W)`` to ``(N, channels, H / 2, W / 2)``, around the local mean."""
        rest = gray - mean(gray, 8)
        contrast = mean(rest * rest, 8).sqrt()
        found = self.layers(rest / (contrast + 2 + 0.3 * contrast.mean((2, 3), keepdim=True)))
        return found - mean(found, 9)


class Descriptor(nn.Module):
    """Both networks, and how sharply their agreement is read."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.visible, self.infrared = Side(width, channels), Side(width, channels)
        self.sharpness = nn.Parameter(torch.tensor(8.0))

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Fit of each cell at each label across, ``(N, labels, rows, columns)``, as `match`."""
        here, there = self.visible(visible), self.infrared(infrared)
        width, reach = here.shape[-1], REACH // 2
        whole = functional.pad(there, (reach, reach + 1))
        between = 0.5 * (whole[..., :-1] + whole[..., 1:])
        moved = []
        for label in range(-REACH, REACH + 1):
            start = reach + label // 2
            moved.append((between if label % 2 else whole)[..., start : start + width])
        products = cells(torch.stack([(here * each).sum(1) for each in moved], 1))
        energies = cells(torch.stack([each.square().sum(1) for each in moved], 1))
        own = cells(here.square().sum(1, keepdim=True))
        floor = 0.5 * own.flatten(1).median(1).values[:, None, None, None]
        return products / ((own + floor) * (energies + floor)).sqrt()


def mean(image: Tensor, reach: int) -> Tensor:
    padded = functional.pad(image, (reach,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * reach + 1, 1)


def cells(values: Tensor) -> Tensor:
    """Means of cells, blurred twice over their neighbors."""
    values = functional.avg_pool2d(values, CELL // 2)
    for _ in range(2):
        values = functional.pad(values, (1, 1, 1, 1), mode="replicate")
        values = 0.25 * (values[..., :-2] + values[..., 2:]) + 0.5 * values[..., 1:-1]
        values = 0.25 * (values[:, :, :-2] + values[:, :, 2:]) + 0.5 * values[:, :, 1:-1]
    return values


def working(visible: np.ndarray, infrared: np.ndarray) -> Pair:
    """On the working grid."""
    size = WorkingGrid.of(visible.shape[1::-1]).size
    small = cv2.resize(visible, size, interpolation=cv2.INTER_AREA)
    warm = cv2.resize(infrared, size, interpolation=cv2.INTER_AREA)
    return gray_levels(small), warm.astype(np.float32)


def images(folder: Path) -> list[Pair]:
    found = []
    for path in sorted((folder / "visible").iterdir()):
        warm = next((folder / "infrared").glob(f"{path.stem}.*"))
        found.append(working(read_visible(path), read_infrared(warm)))
    return found


def frames(folder: Path) -> list[Pair]:
    """Sixteen of each clip."""
    found = []
    for path in sorted((folder / "visible").iterdir()):
        clips = [
            cv2.VideoCapture(str(folder / side / path.name)) for side in ("visible", "infrared")
        ]
        count = int(clips[0].get(cv2.CAP_PROP_FRAME_COUNT))
        for number in range(count):
            shown, warm = (clip.read()[1] for clip in clips)
            if number % max(1, count // 16) == 0:
                visible = cv2.cvtColor(shown, cv2.COLOR_BGR2RGB)
                found.append(working(visible, cv2.cvtColor(warm, cv2.COLOR_BGR2GRAY)))
    return found


def example(pair: Pair, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """A crop whose infrared is displaced across, and by how many labels."""
    height, width = CROP
    visible, infrared = (each.T for each in pair) if rng.random() < 0.5 else pair
    # What is narrower than a crop goes on as in a mirror.
    missing = [(0, max(0, want - has)) for want, has in zip(CROP, visible.shape, strict=True)]
    visible, infrared = (np.pad(each, missing, "symmetric") for each in (visible, infrared))
    top, left = (
        rng.integers(has - want + 1) for want, has in zip(CROP, visible.shape, strict=True)
    )
    turn = np.s_[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    window = np.s_[top : top + height, left : left + width]
    visible, infrared = (np.ascontiguousarray(each[window][turn]) for each in (visible, infrared))
    label = int(rng.integers(-9, 10))
    matrix = np.array([[1, 0, label], [0, 1, 0]], np.float32)
    infrared = cv2.warpAffine(infrared, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    visible = 255 * (np.clip(visible, 0, 255) / 255) ** rng.uniform(0.6, 1.6)
    worn = []
    for image, inverted in ((visible, 0.2), (infrared, 0.5)):
        if rng.random() < inverted:
            image = 255 - image
        if rng.random() < 0.3:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
        noise = rng.normal(0, rng.uniform(0, 4), image.shape)
        worn.append((image * rng.uniform(0.5, 1.3) + noise).astype(np.float32))
    return worn[0], worn[1], label


def train(net: Descriptor, pairs: list[Pair], minutes: float, rng: np.random.Generator) -> int:
    """Steps that were taken."""
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-4)
    labels = torch.arange(-REACH, REACH + 1)
    middles = torch.arange(CROP[1] // CELL) * CELL + CELL // 2
    start, steps = time.monotonic(), 0
    while (share := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-5
        batch = [example(pairs[rng.integers(len(pairs))], rng) for _ in range(BATCH)]
        visible, infrared = (torch.tensor(np.stack([b[i] for b in batch]))[:, None] for i in (0, 1))
        truth = torch.tensor([each[2] for each in batch])[:, None]
        wanted = functional.softmax(-0.5 * ((labels - truth) / 0.8) ** 2, dim=1)[..., None, None]
        told = functional.log_softmax(net(visible, infrared) * net.sharpness, dim=1)
        at = middles + truth
        seen = ((at > CELL // 2) & (at < CROP[1] - CELL // 2))[:, None]
        loss = (-(wanted * told).sum(1) * seen).sum() / (seen.sum() * told.shape[2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    return steps


def learned(net: Descriptor, visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """The label of each cell."""
    inputs = (torch.tensor(np.ascontiguousarray(each))[None, None] for each in (visible, infrared))
    with torch.no_grad():
        return net(*inputs)[0].argmax(0).numpy() - REACH


def by_edges(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """The same with what the product uses."""
    margin = REACH + 1
    around = (margin,) * 4
    wide = cv2.copyMakeBorder(infrared, *around, cv2.BORDER_REPLICATE)
    inside = cv2.copyMakeBorder(np.ones_like(infrared), *around, cv2.BORDER_CONSTANT, value=0)
    shape = visible.shape[0] // CELL, visible.shape[1] // CELL
    lines = SearchLines(False, np.zeros(shape, np.float32), -REACH, REACH)
    channels = (np.ascontiguousarray(visible), None), (wide, inside)
    here, there = (edge_channels(*each) for each in channels)
    return match(here, there, lines).argmax(axis=-1) - REACH


def rates(find, pairs: list[Pair]) -> tuple[float, float]:
    """Of all cells, and of those with structure."""
    every, structured = [], []
    for pair in pairs:
        for visible, infrared in (pair, tuple(each.T for each in pair)):
            right = np.abs(find(visible, infrared)) <= 1
            steps = sum(np.abs(np.gradient(visible, axis=axis)) for axis in (0, 1))
            strength = cv2.resize(steps, right.shape[::-1], interpolation=cv2.INTER_AREA)
            every.append(right.mean())
            structured.append(right[strength > np.median(strength)].mean())
    return float(np.mean(every)), float(np.mean(structured))


def main() -> None:
    """Train, and compare with edges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--minutes", type=float, default=28)
    parser.add_argument("--width", type=int, default=12, help="channels within the networks")
    parser.add_argument("--channels", type=int, default=8, help="channels that they give")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    every = images(options.images)
    net = Descriptor(options.width, options.channels)
    rng = np.random.default_rng(0)
    steps = train(net, every[1::2] + frames(options.videos), options.minutes, rng)
    for name, find in (
        ("edges", by_edges),
        (f"learned, {steps} steps", lambda *pair: learned(net, *pair)),
    ):
        print(f"{name}: {{:.3f}} of all cells, {{:.3f}} of half".format(*rates(find, every[::2])))


if __name__ == "__main__":
    main()
