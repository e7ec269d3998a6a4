"""Makes the default model: a context that is the local mean of infrared, and lattices fitted to it.

python docs/development/experiments/default_model.py RoadScene/train M3SVD published.safetensors OUT

The encoder is built (`lut_fuse_training.networks.local_mean`), so the features of every pixel are
known beforehand and a step only looks up lattices. The lattices begin as a rule, `RULE`: the
visible image, what of infrared stands out from its surroundings, and a little of the
surroundings. From there they learn what the terms in `Weights` ask for, on crops of RoadScene's
training part, of the scene generator's streets and of M3SVD's clips.

Pairs in `--hold-out` (a label file, as of `lut-fuse evaluate --boxes`) are left out, so that
detectors can judge the model on them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from lut_fuse_training.data.pairs import load_pair, to_gray
from lut_fuse_training.images import round_to_gray
from lut_fuse_training.losses.lattice_terms import lattice_terms, steepness_term
from lut_fuse_training.losses.quality_terms import _measures
from lut_fuse_training.losses.term import total
from lut_fuse_training.networks.local_mean import local_mean_encoder, mean_of
from torch import Tensor

from lut_fuse_core import Fuser, FusionModel, save_model
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.context import encode
from lut_fuse_core.model.features import ambient, gradient, luma
from lut_fuse_core.model.fusion_model import Axis, GradientSpec
from lut_fuse_core.synthetic import SceneConfig, StreetScene

AXES = (
    Axis("luma", 17, 0.0, 255.0),
    Axis("infrared", 17, 0.0, 255.0),
    Axis("gradient", 5, 0.0, 64.0),
    Axis("context", 9, 0.0, 255.0),
)
LEVELS = (40.0, 75.0, 110.0, 150.0)
RULE = (0.22, 1.25, 0.25)
"""Weights of the surroundings in infrared, of what is brighter there, and of what is darker."""

FITTED = (0.5, 1.0, 1.0, 1.0)
"""Share of what was fitted in each lattice; the rest is the rule, which keeps nights brighter."""

CALM = 0.035
"""Share of the surroundings in infrared that is mixed in at last: less contrast, less flicker."""

WINDOW = 31
"""Pixels within which contrast is measured."""

CROP, CROPS, PIXELS, STILL = 72, 2, 2500, 8000
"""Side of a crop, crops and single pixels of a picture, and pixels of two consecutive frames."""


@dataclass(frozen=True)
class Weights:
    """What the lattices learn, and up to where.

    Pairs are a weight and a goal; contrasts are shares of an input's.

    Attributes:
        mi, en, cc, ssim, qabf, scd, vif: The metrics, up to the published model's on the same
            pixels and 2 % more.
        strong, faint: Contrast of infrared where the visible image is flat (deviation below 4 in
            `WINDOW`) and infrared is not (above 6; 2 to 6).
        marks: Contrast of the visible image where infrared is flatter and not much darker.
        people: Contrast of infrared where it stands out by more than 25.
        flicker: Change of still pixels between frames, over that of the more restless input.
        context: Change of the fused pixel per gray level of the context alone.
        rule, detail: Distance to the rule, and distance of what stands out.
    """

    mi: float = 0.5
    en: float = 2.0
    cc: float = 40.0
    ssim: float = 8.0
    qabf: float = 20.0
    scd: float = 5.0
    vif: float = 12.0
    strong: tuple[float, float] = (15.0, 0.95)
    faint: tuple[float, float] = (8.0, 0.68)
    marks: tuple[float, float] = (12.0, 0.70)
    people: tuple[float, float] = (20.0, 1.0)
    flicker: tuple[float, float] = (10.0, 0.96)
    context: tuple[float, float] = (1.0, 0.22)
    rule: float = 35.0
    detail: float = 70.0


@dataclass(frozen=True)
class Picture:
    """A pair's features ``(4, H, W)`` in gray levels, its place among the lattices, the published
    model's luma, and where each kind of contrast is measured ``(4, H, W)``."""

    features: np.ndarray
    place: tuple[int, float]
    published: np.ndarray
    masks: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("published")
    parser.add_argument("out", type=Path)
    parser.add_argument("--hold-out", type=Path)
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--rate", type=float, default=6e-3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    blank = _model(np.zeros((len(LEVELS), *(axis.nodes for axis in AXES)), np.float32))
    published = Fuser(arguments.published)
    held = read_labels(arguments.hold_out).boxes if arguments.hold_out else ()
    files = [f for f in find_dataset(arguments.pairs).pairs if f.name not in held]
    pairs = [(pair.visible, pair.infrared) for pair in map(load_pair, files)]
    pictures = [_picture(blank, published, *pair) for pair in [*pairs, *map(_street, range(20))]]
    steps = {
        path.stem: _clip(blank, published, path, arguments.clips / "infrared" / path.name)
        for path in sorted((arguments.clips / "visible").glob("*.mp4"))
    }
    lattices = _fit(pictures, steps, Weights(), arguments.steps, arguments.rate)
    save_model(_model(lattices), arguments.out)


def _model(lattices: np.ndarray) -> FusionModel:
    rounded = (np.rint(255 * lattices.clip(0, 1)) / 255).astype(np.float32)
    facts = {
        "name": "default",
        "recipe": "docs/development/experiments/default_model.py",
        "data": "RoadScene (training part without the labeled pairs), M3SVD, synthetic streets",
    }
    return FusionModel(rounded, AXES, GradientSpec(), local_mean_encoder(5), facts, LEVELS)


def _features(model: FusionModel, visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    bright = luma(visible)
    context = encode(model.encoder, visible, infrared)
    slope = gradient(bright, model.gradient)
    return np.stack([bright, infrared, slope, context]).astype(np.float16)


def _picture(
    model: FusionModel, published: Fuser, visible: np.ndarray, infrared: np.ndarray
) -> Picture:
    fused = np.rint(luma(published.fuse(visible, infrared))).astype(np.uint8)
    masks = _masks(luma(visible), infrared.astype(np.float32))
    place = model.place(ambient(visible))
    return Picture(_features(model, visible, infrared), place, fused, masks)


def _masks(bright: np.ndarray, warm: np.ndarray) -> np.ndarray:
    (seen, varied), (mean, varied_warm) = map(_statistics, (bright, warm))
    return np.stack(
        [
            (varied < 4) & (varied_warm > 6),
            (varied < 4) & (varied_warm >= 2) & (varied_warm <= 6),
            (varied_warm < 9) & (varied > 5) & (varied > 1.3 * varied_warm) & (mean > seen - 10),
            (warm - mean > 25) & (varied_warm > 10),
        ]
    )


def _statistics(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation in `WINDOW`."""
    mean, square = (cv2.blur(x, (WINDOW, WINDOW)) for x in (image, image * image))
    return mean, np.sqrt(np.maximum(square - mean * mean, 0))


def _street(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A street over warm ground by day, at dusk, at night, every fifth in smoke."""
    scene = StreetScene(SceneConfig(480, 360, seed=100 + number, day=number % 2 == 0))
    frame = scene.frame(30 * number)
    rng = np.random.default_rng(number)
    exponent = 1 - 0.45 * rng.random()
    warm = np.rint(255 * (to_gray(frame.infrared) / 255) ** exponent).astype(np.uint8)
    light = (1.0, 1.0, 0.8, 0.6, 1.4, 2.5, 1.0)[number % 7]
    visible = frame.visible * (light if number % 2 else (1.0, 0.5)[number // 2 % 2])
    if number % 5 == 4:
        visible = 0.15 * visible + 170 + rng.normal(0, 1.5, visible.shape)
    return visible.clip(0, 255).astype(np.uint8), warm


def _clip(
    model: FusionModel, published: Fuser, visible: Path, infrared: Path
) -> list[tuple[Picture, np.ndarray]]:
    """About 25 frames of a clip, each with the features of the one after it."""
    streams = [cv2.VideoCapture(str(path)) for path in (visible, infrared)]
    count = int(min(stream.get(cv2.CAP_PROP_FRAME_COUNT) for stream in streams))
    chosen = set(range(0, count - 1, max(1, count // 24)))
    steps: list[tuple[Picture, np.ndarray]] = []
    begun = None
    for number in range(count):
        (seen, color), (found, warm) = (stream.read() for stream in streams)
        if not (seen and found):
            break
        if begun is None and number not in chosen:
            continue
        pair = np.ascontiguousarray(color[..., ::-1]), np.ascontiguousarray(warm[..., 0])
        if begun is not None:
            steps.append((begun, _features(model, *pair)))
        begun = _picture(model, published, *pair) if number in chosen else None
    return steps


def _fit(
    pictures: list[Picture],
    clips: dict[str, list[tuple[Picture, np.ndarray]]],
    weights: Weights,
    steps: int,
    rate: float,
) -> np.ndarray:
    """The lattices, averaged over the last steps, and mixed with the rule."""
    ends = [np.linspace(axis.low, axis.high, axis.nodes, dtype=np.float32) for axis in AXES]
    nodes = torch.from_numpy(np.stack(np.meshgrid(*ends, indexing="ij")))
    lattices = torch.nn.Parameter(_rule(nodes).repeat(len(LEVELS), 1, 1, 1, 1))
    optimizer = torch.optim.Adam([lattices], lr=rate, betas=(0.9, 0.99))
    average, rng = lattices.detach().clone(), np.random.default_rng(0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = (
            rate * min(1, step / 20 + 0.05) * (1 - step / steps) ** 0.7
        )
        clip = list(clips)[step % len(clips)]
        chosen = [pictures[k] for k in rng.integers(0, len(pictures), 4)]
        loss, seen = _loss(
            lattices, chosen, clips[clip][rng.integers(len(clips[clip]))], weights, rng
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kept = min(0.985, step / (step + 15))
        average.mul_(kept).add_(lattices.detach(), alpha=1 - kept)
        if step % 40 == 0:
            numbers = " ".join(f"{name} {value:+.3f}" for name, value in seen.items())
            print(f"{step} {loss.item():.2f} {clip} {numbers}", flush=True)
    shares = torch.tensor(FITTED).reshape(-1, 1, 1, 1, 1)
    mixed = torch.lerp(_rule(nodes).expand_as(average), average, shares)
    return ((1 - CALM) * mixed.numpy() + CALM * mean_of(nodes[3].numpy()) / 255).astype(np.float32)


def _rule(features: Tensor) -> Tensor:
    """What the lattices begin as: features ``(4, ...)`` to luma in [0, 1]."""
    around, above, below = RULE
    bright, warm, _, context = features
    mean = torch.from_numpy(mean_of(context.numpy()))
    stands_out = above * F.relu(warm - mean) - below * F.relu(mean - warm)
    return ((1 - around) * bright + around * mean + stands_out).clamp(0, 255) / 255


def _loss(
    lattices: Tensor,
    pictures: list[Picture],
    frames: tuple[Picture, np.ndarray],
    weights: Weights,
    rng: np.random.Generator,
) -> tuple[Tensor, dict[str, float]]:
    before, after = frames
    crops = [_crop(picture, rng) for picture in pictures for _ in range(CROPS)]
    crops += [_crop(before, rng) for _ in range(CROPS)]
    scattered = [_scatter(picture, rng) for picture in pictures]
    places = [p for p in pictures for _ in range(CROPS)] + [before] * CROPS
    squares = torch.from_numpy(np.stack([c[0] for c in crops], 1)).float()
    masks = torch.from_numpy(np.stack([c[2] for c in crops])).float()
    still = rng.integers(0, after[0].size, STILL)
    first, second = (
        torch.from_numpy(f.reshape(4, -1)[:, still]).float() for f in (before.features, after)
    )
    fused = torch.stack(
        [
            _look_up(lattices, square, p.place)
            for square, p in zip(squares.unbind(1), places, strict=True)
        ]
    )[:, None]
    loose = torch.stack(
        [_look_up(lattices, s[0], p.place) for s, p in zip(scattered, pictures, strict=True)]
    )[:, None, None]
    terms: dict[str, tuple[Tensor, float]] = {}
    seen: dict[str, float] = {}

    def short_of(name: str, value: Tensor, aim: Tensor | float, weight: float) -> None:
        terms[name] = (F.relu(aim - value).mean(), weight)
        seen[name] = float((value - aim).mean())

    count = CROPS * len(pictures)
    published = torch.from_numpy(np.stack([c[1] for c in crops[:count]]))[:, None] / 255
    _quality(
        fused[:count],
        squares[:2, :count] / 255,
        published,
        ("ssim", "qabf", "vif"),
        weights,
        short_of,
    )
    inputs = torch.stack([s[0][:2] for s in scattered], 1)[:, :, None] / 255
    others = torch.stack([s[1] for s in scattered])[:, None, None] / 255
    _quality(loose, inputs, others, ("mi", "en", "cc", "scd"), weights, short_of)
    _contrast(fused, squares, masks, weights, short_of)
    ruled = fused - _rule(squares)[:, None]
    terms["rule"] = (ruled.abs().mean(), weights.rule)
    terms["detail"] = (_detail(ruled).abs().mean(), weights.detail)
    _calm(lattices, first, second, before.place, weights, short_of)
    loss = torch.stack([weight * value for value, weight in terms.values()]).sum()
    shape = lattice_terms(lattices, 0.05, 5.0) | steepness_term(lattices, 2.0, (52, 36, 22, 44))
    return loss + total(shape), seen


def _quality(fused, inputs, published, names, weights, short_of) -> None:  # type: ignore[no-untyped-def]
    """The metrics against those of the published model on the same pixels."""
    inside = fused.clamp(0, 1)
    bright, warm = round_to_gray(inputs[0][:, None]), inputs[1][:, None]
    ours = _measures(round_to_gray(inside + 0.1 * (fused - inside)), bright, warm)
    with torch.no_grad():
        theirs = _measures(published, bright, warm)
    for name in names:
        with torch.no_grad():
            aim = 1.02 * theirs[name]().mean() + (0.012 if name == "cc" else 0)
        short_of(name, ours[name]().mean(), aim, getattr(weights, name))


def _contrast(fused, squares, masks, weights, short_of) -> None:  # type: ignore[no-untyped-def]
    """The share of an input's detail that the fused image has, by regression."""
    shown, bright, warm = (255 * _detail(fused), *(_detail(s[:, None]) for s in squares[:2]))
    margin = WINDOW // 2
    for index, name in enumerate(("strong", "faint", "marks", "people")):
        source = bright if name == "marks" else warm
        mask = masks[:, index : index + 1, margin:-margin, margin:-margin]
        if mask.sum() > 150:
            weight, aim = getattr(weights, name)
            share = (shown * source * mask).sum() / (source * source * mask).sum()
            short_of(name, share, aim, weight)


def _calm(lattices, first, second, place, weights, short_of) -> None:  # type: ignore[no-untyped-def]
    """Flicker between two frames, and change with the context alone."""
    now, then = (255 * _look_up(lattices, f, place).clamp(0, 1) for f in (first, second))
    changes = [(second[k].round() - first[k].round()).abs() for k in (0, 1)]
    still = (changes[0] < 2.5) & (changes[1] < 2.5)
    if still.float().mean() > 0.05:
        shown = (round_to_gray(then / 255) - round_to_gray(now / 255)).abs() * 255
        restless = torch.maximum(*(change[still].mean() for change in changes))
        weight, limit = weights.flicker
        short_of("flicker", -shown[still].mean() / restless.clamp(min=0.05), -limit, weight)
    moved = first.clone()
    moved[3] += 9
    change = (255 * _look_up(lattices, moved, place) - now).abs().mean() / 9
    weight, limit = weights.context
    short_of("context", -9 * change, -9 * limit, weight)


def _look_up(lattices: Tensor, features: Tensor, place: tuple[int, float]) -> Tensor:
    """Luma in [0, 1] at features ``(4, ...)``, interpolated between nodes and lattices."""
    index, share = place
    lattice = lattices[index]
    if share:
        lattice = torch.lerp(lattice, lattices[index + 1], share)
    base, fractions = torch.zeros((), dtype=torch.long), []
    for feature, axis, stride in zip(features, AXES, lattice.stride(), strict=True):
        position = ((feature - axis.low) / axis.step).clamp(0, axis.nodes - 1)
        lower = position.floor().clamp(max=axis.nodes - 2)
        fractions.append(position - lower)
        base = base + lower.long() * stride
    flat, fused = lattice.reshape(-1), torch.zeros(())
    for corner in range(16):
        weight, offset = torch.ones(()), 0
        for k, (fraction, stride) in enumerate(zip(fractions, lattice.stride(), strict=True)):
            upper = corner >> k & 1
            weight = weight * (fraction if upper else 1 - fraction)
            offset += upper * stride
        fused = fused + weight * flat[base + offset]
    return fused


def _detail(images: Tensor) -> Tensor:
    """What differs from the mean in `WINDOW`, where the window is inside."""
    margin = WINDOW // 2
    mean = F.avg_pool2d(F.avg_pool2d(images, (WINDOW, 1), 1), (1, WINDOW), 1)
    return images[..., margin:-margin, margin:-margin] - mean


def _crop(picture: Picture, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = picture.published.shape
    top, left = int(rng.integers(0, height - CROP)), int(rng.integers(0, width - CROP))
    cut = np.s_[..., top : top + CROP, left : left + CROP]
    return picture.features[cut], picture.published[cut], picture.masks[cut]


def _scatter(picture: Picture, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    chosen = rng.integers(0, picture.published.size, PIXELS)
    features = picture.features.reshape(4, -1)[:, chosen].astype(np.float32)
    return torch.from_numpy(features), torch.from_numpy(
        picture.published.reshape(-1)[chosen]
    ).float()


if __name__ == "__main__":
    main()
