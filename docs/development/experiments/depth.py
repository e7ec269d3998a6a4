"""How well registration follows depth: the numbers and images of docs/development/depth.md.

    python docs/development/experiments/depth.py synthetic
    python docs/development/experiments/depth.py displaced TRAIN --boxes boxes.json
    python docs/development/experiments/depth.py displaced M3SVD
    python docs/development/experiments/depth.py detection TRAIN --boxes boxes.json --detector NET
    python docs/development/experiments/depth.py static
    python docs/development/experiments/depth.py unaligned UNALIGNED -o FOLDER
    python docs/development/experiments/depth.py speed

TRAIN, M3SVD and UNALIGNED hold `visible/` and `infrared/` with images of the same names, or with
videos; UNALIGNED also `homographies.json`, the 3x3 matrix of each pair.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.evaluation.flicker import FlickerMeter
from lut_fuse_core.io.image_files import read_infrared, read_visible, write_image
from lut_fuse_core.pipeline import FusionPipeline, PipelineConfig
from lut_fuse_core.registration import Homography, Registration, RegistrationConfig
from lut_fuse_core.registration.field.estimator import FieldEstimator
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.warping import FieldWarps
from lut_fuse_core.synthetic.rig import StreetRig
from lut_fuse_core.synthetic.scene import SceneConfig

DISTANCE = 20.0
LIGHTS = {"day": {"day": True}, "dusk": {"day": True, "dusk": True}, "night": {}}
BASELINES = ((0.05, 0.0), (0.1, 0.0), (0.2, 0.0), (0.0, 0.05), (0.0, 0.1), (0.0, 0.2))
KINDS = ("none", "shift", "plane", "ramp", "step", "step on a ramp")
FRAMES = 5
"""Consecutive frames that an estimate has seen when it is judged, in videos and scenes."""


def lengths(field: np.ndarray) -> np.ndarray:
    """Of displacements."""
    return np.linalg.norm(field, axis=-1)


def estimator(config: RegistrationConfig, infrared: np.ndarray, visible: np.ndarray):
    """A new one for images of these sizes."""
    sizes = infrared.shape[1::-1], visible.shape[1::-1]
    return FieldEstimator(FieldGeometry(config, *sizes))


def synthetic(options: argparse.Namespace) -> None:
    """End-point errors on rigs whose depth is known; frame counts below each other."""
    print("errors in pixels, median and 90 %: auto, off, best distance; people under 8 m")
    for number, (light, changes) in enumerate(LIGHTS.items()):
        for index, baseline in enumerate(BASELINES):
            seed = options.seed + 10 * number + index
            rig = StreetRig(SceneConfig(640, 480, seed=seed, **changes), baseline)
            errors, before, best, near = _rig_errors(rig, 37 * index)
            middle = " ".join(_spread(each) for each in (errors[0], before[0], best[0]))
            people = " ".join(f"{np.median(each):5.2f}" for each in near) or "-"
            print(f"{light:6s} {baseline!s:12s} {middle}   {people}", flush=True)


def _rig_errors(rig: StreetRig, first: int):
    config = RegistrationConfig(rig.cameras, distance=DISTANCE)
    for index in range(first, first + FRAMES):
        frame = rig.frame(index)
        if index == first:
            compare = estimator(config, frame.infrared, frame.visible)
        field = compare.estimate(frame.visible, frame.infrared)
    truth = rig.displacement(frame.depth, DISTANCE)
    depths = (np.full_like(frame.depth, distance) for distance in np.geomspace(3, 80, 30))
    flat = (rig.displacement(depth, DISTANCE) for depth in depths)
    single = min(flat, key=lambda each: lengths(truth - each)[frame.both].mean())
    left = [lengths(truth - field.everywhere()), lengths(truth), lengths(truth - single)]
    near = frame.both & (frame.labels == 2) & (frame.depth < 8)
    people = [each[near] for each in (left[0], left[2])] if near.any() else []
    return *([each[frame.both]] for each in left), people


def _spread(errors: np.ndarray) -> str:
    return f"{np.median(errors):9.2f} {np.percentile(errors, 90):6.2f}"


def depth_like(kind: str, shape: tuple[int, int], boxes: list, rng: np.random.Generator):
    """A field of up to 24 pixels, ``(H, W, 2) float32``."""
    height, width = shape
    reach = rng.uniform(6, 24) * rng.choice([-1, 1])
    angle = rng.choice([0.0, 0.0, 0.0, np.pi / 2, rng.uniform(-0.3, 0.3)])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = x / width - 0.5, y / height - 0.5
    road = reach * np.clip((down + 0.1) / 0.6, 0, 1)
    turn = rng.uniform(0, 2 * np.pi)
    slope = np.cos(turn) * across + np.sin(turn) * down
    amount = {
        "none": np.zeros(shape),
        "shift": np.full(shape, reach),
        "plane": reach * (0.5 + 0.5 * slope / np.abs(slope).max()),
        "ramp": road,
        "step": np.full(shape, 0.25 * reach),
        "step on a ramp": 0.6 * road,
    }[kind].copy()
    for left, top, right, bottom in boxes if "step" in kind else ():
        inside = np.s_[max(round(top), 0) : round(bottom), max(round(left), 0) : round(right)]
        amount[inside] = reach * rng.uniform(0.6, 1)
    return np.stack([amount * np.cos(angle), amount * np.sin(angle)], axis=-1).astype(np.float32)


def displace(infrared: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, ...]:
    """Infrared moved by a field, the true displacement of each visible pixel, and where there is
    one."""
    height, width = infrared.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    how = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    moved = cv2.remap(infrared, x + field[..., 0], y + field[..., 1], **how)
    truth = np.zeros_like(field)
    for _ in range(30):
        again = -cv2.remap(field, x + truth[..., 0], y + truth[..., 1], **how)
        change = np.abs(again - truth).max(axis=-1)
        truth = 0.5 * (again + truth)
    at = np.stack([x, y], axis=-1) + truth
    inside = (at >= 0).all(axis=-1) & (at <= (width - 1, height - 1)).all(axis=-1)
    return moved, truth, inside & (change < 0.3)


def pairs(folder: Path, labels: dict, limit: int) -> Iterator[tuple[str, list, list]]:
    """Name, consecutive pairs (one for images) and boxes of what is in front."""
    files = sorted((folder / "visible").iterdir())
    names = [path for path in files if not labels or path.stem in labels]
    for path in names[:: max(1, len(names) // limit)][:limit]:
        if path.suffix != ".mp4":
            visible = read_visible(path)
            infrared = read_infrared(next((folder / "infrared").glob(f"{path.stem}.*")))
            boxes = [each["box"] for each in labels.get(path.stem, {}).get("boxes", [])]
            yield path.stem, [(visible, infrared)], boxes or warm_boxes(infrared)
            continue
        clips = cv2.VideoCapture(str(path)), cv2.VideoCapture(str(folder / "infrared" / path.name))
        count = int(clips[0].get(cv2.CAP_PROP_FRAME_COUNT))
        for start in np.linspace(0, count - FRAMES - 1, limit).astype(int):
            for clip in clips:
                clip.set(cv2.CAP_PROP_POS_FRAMES, int(start))
            taken = []
            for _ in range(FRAMES):
                seen, warm = (clip.read()[1] for clip in clips)
                taken.append((seen[..., ::-1].copy(), cv2.cvtColor(warm, cv2.COLOR_BGR2GRAY)))
            yield f"{path.stem} {start}", taken, warm_boxes(taken[-1][1])


def warm_boxes(infrared: np.ndarray) -> list:
    """What is much warmer than the rest, where nobody labeled the objects."""
    smooth = cv2.GaussianBlur(infrared, (0, 0), 2)
    found = cv2.connectedComponentsWithStats((smooth > np.percentile(smooth, 96)).astype(np.uint8))
    height, width = infrared.shape
    return [
        [left, top, left + w, top + h]
        for left, top, w, h, area in found[2][1:]
        if area > 150 and w < 0.3 * width and h < 0.6 * height
    ][:6]


def displaced(options: argparse.Namespace) -> None:
    """Registered pairs whose infrared is moved by a known field."""
    labels = json.loads(options.boxes.read_text()) if options.boxes else {}
    rng = np.random.default_rng(options.seed)
    results: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, (name, frames, boxes) in enumerate(pairs(options.data, labels, options.limit)):
        kind = KINDS[number % len(KINDS)]
        field = depth_like(kind, frames[0][1].shape, boxes, rng)
        compare = estimator(RegistrationConfig(), frames[0][1], frames[0][0])
        for visible, infrared in frames:
            moved, truth, known = displace(infrared, field)
            found = compare.estimate(visible, moved).everywhere()
        before, after = (float(lengths(each)[known].mean()) for each in (truth, truth - found))
        results[kind].append((before, after))
        print(f"{name:24s} {kind:15s} before {before:5.2f} after {after:5.2f}", flush=True)
    for kind, each in results.items():
        print(
            f"{kind:15s} mean before {np.mean(each, axis=0)[0]:5.2f} after "
            f"{np.mean(each, axis=0)[1]:5.2f}, {len(each)} frames"
        )
    moved_ones = np.array([each for kind in results if kind != "none" for each in results[kind]])
    gone = moved_ones[:, 1] <= 0.25 * moved_ones[:, 0]
    every = np.concatenate([moved_ones, np.reshape(results["none"], (-1, 2))])
    print(
        f"three quarters gone on {100 * gone.mean():.0f} % of {len(gone)} displaced frames; of the "
        f"displacement of all, {100 * (1 - moved_ones[:, 1].sum() / moved_ones[:, 0].sum()):.0f} %"
    )
    print(
        f"made worse by more than 1.5 pixels: {(every[:, 1] > every[:, 0] + 1.5).sum()} of "
        f"{len(every)}; largest field on registered pairs {max(r[1] for r in results['none']):.2f}"
    )


def detection(options: argparse.Namespace) -> None:
    """Average precision on displaced pairs: off, one shift chosen with hindsight, auto."""
    labels = json.loads(options.boxes.read_text())
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in ("visible", "infrared", "off", "one", "auto", "registered"):
            (root / name).mkdir()
        each = pairs(options.data, labels, options.limit)
        for number, (name, frames, boxes) in enumerate(each):
            visible, infrared = frames[0]
            kind = KINDS[1 + number % (len(KINDS) - 1)]
            field = depth_like(kind, infrared.shape, boxes, rng)
            moved, truth, known = displace(infrared, field)
            shift = -np.median(truth[known], axis=0)
            matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
            configs = {
                "registered": (infrared, RegistrationConfig()),
                "off": (moved, RegistrationConfig()),
                "one": (moved, RegistrationConfig(Homography.from_array(matrix))),
                "auto": (moved, RegistrationConfig(depth="auto")),
            }
            write_image(root / "visible" / f"{name}.png", visible)
            cv2.imwrite(str(root / "infrared" / f"{name}.png"), moved)
            for kind, (warm, registration) in configs.items():
                pipeline = FusionPipeline(PipelineConfig(threads=1, registration=registration))
                write_image(root / kind / f"{name}.png", pipeline.process(visible, warm))
        for kind in configs:
            print(f"== {kind}", flush=True)
            tool = str(Path(sys.executable).with_name("lut-fuse"))
            command = [tool, "evaluate", str(root), "--fused", str(root / kind)]
            command += ["--boxes", str(options.boxes), "--jobs", "1"]
            command += ["--classes", "person", "car=car,bus,truck"]
            for detector in options.detector:
                command += ["--detector", str(detector)]
            subprocess.run(command, check=True)


def static(options: argparse.Namespace) -> None:
    """Flicker of a scene in which nothing moves, with depth off and auto."""
    for light, changes in LIGHTS.items():
        scene = SceneConfig(640, 480, seed=options.seed, moving=False, **changes)
        rig = StreetRig(scene, (0.1, 0.0))
        frames = [rig.frame(index) for index in range(20)]
        ratios = {}
        for depth in ("off", "auto"):
            registration = RegistrationConfig(rig.cameras, depth=depth)
            pipeline = FusionPipeline(PipelineConfig(threads=1, registration=registration))
            meter = FlickerMeter()
            for frame in frames:
                fused = pipeline.process(
                    frame.visible, frame.infrared, visible_time=frame.time, infrared_time=frame.time
                )
                if frame.time > 0.2:  # not the frames in which the field is found
                    warm = pipeline._infrared._frame
                    meter.update(frame.visible, warm.image, fused)
            ratios[depth] = meter.report().ratio
        print(f"{light:6s} off {ratios['off']:.3f} auto {ratios['auto']:.3f}", flush=True)


def unaligned(options: argparse.Namespace) -> None:
    """Before and after on pairs as the cameras saw them, each registered by one homography."""
    known = json.loads((options.data / "homographies.json").read_text())
    rows = []
    for name in sorted(known)[:: max(1, len(known) // 4)][:4]:
        visible = read_visible(next((options.data / "visible").glob(f"{name}.*")))
        infrared = read_infrared(next((options.data / "infrared").glob(f"{name}.*")))
        homography = Homography.from_array(np.array(known[name]))
        row = []
        for depth in ("off", "auto"):
            config = RegistrationConfig(homography, depth=depth)
            pipeline = FusionPipeline(PipelineConfig(threads=1, registration=config))
            row.append(cv2.resize(pipeline.process(visible, infrared), (720, 480)))
            print(name, depth, pipeline.status.depth)
        rows.append(np.hstack(row))
    write_image(options.output / "depth-unaligned.jpg", np.vstack(rows))


def speed(options: argparse.Namespace) -> None:
    """Milliseconds of one core for a field and for the remap that follows it; of these only the
    reduced images are made in the thread that fuses."""
    cv2.setNumThreads(1)
    for size in ((640, 480), (1280, 720)):
        rig = StreetRig(SceneConfig(*size, seed=options.seed, day=True), (0.1, 0.0))
        frames = [rig.frame(index) for index in range(3)]
        for name, config in (
            ("rig", RegistrationConfig(rig.cameras)),
            ("none", RegistrationConfig()),
        ):
            compare = estimator(config, frames[0].infrared, frames[0].visible)
            base, warps = Registration(config).warp(size, size), FieldWarps(compare.geometry)
            times = []
            for index in range(60):
                frame = frames[index % 3]
                clock = [time.thread_time()]
                pair = compare.reduced(frame.visible, frame.infrared)
                clock.append(time.thread_time())
                field = compare.compare(pair)
                clock.append(time.thread_time())
                warps.follow(base, replace(field))
                clock.append(time.thread_time())
                times.append(np.diff(clock))
            first, usual = 1e3 * times[0], 1e3 * np.median(times[10:], axis=0)
            print(
                f"{size[0]}x{size[1]} {name}: reduce {usual[0]:.1f} ms, estimate {usual[1]:.1f} "
                f"ms (first {first[1]:.0f} ms), remap {usual[2]:.1f} ms"
            )


def main() -> None:
    """Run one of the experiments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for run in (synthetic, displaced, detection, static, unaligned, speed):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("--seed", type=int, default=1, help="of all that is random")
        if run in (displaced, detection, unaligned):
            command.add_argument("data", type=Path)
            command.add_argument("--boxes", type=Path)
            command.add_argument("--limit", type=int, default=48, help="pairs, or parts of a clip")
            command.add_argument("--detector", type=Path, action="append", default=[])
            command.add_argument("-o", "--output", type=Path, default=Path())
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
