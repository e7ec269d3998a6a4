"""How well registration from ordinary pairs works: tables and curves for docs/registration.md.

    python docs/development/experiments/registration.py unaligned DATA -o docs/images
    python docs/development/experiments/registration.py severity DATA -o docs/images

DATA is a folder laid out like RoadScene: `unaligned/` with `homographies.json`, and `test/`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from lut_fuse_core.calibration.from_pairs import PairsCalibration, calibrate_from_pairs
from lut_fuse_core.calibration.search import corners, map_points
from lut_fuse_core.evaluation.metrics import evaluate_pair
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.io.dataset import find_dataset, images_by_name
from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import Registration, RegistrationConfig

RIG_SIZE = (480, 320)
SEVERITIES = (0.0, 0.33, 0.67, 1.0)
TRIALS = {1: 4, 5: 2, 20: 1}
"""Rigs per severity, by number of pairs."""

MARGIN = 0.18
"""Share of each side left out of the fused metrics, so that all of it is seen by infrared."""

Pair = tuple[np.ndarray, np.ndarray]


def corner_errors(found: np.ndarray, true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Visible pixels by which the four infrared corners are off."""
    difference = map_points(found, corners(shape)) - map_points(true, corners(shape))
    return np.linalg.norm(difference, axis=1)


def inside_error(found: np.ndarray, true: np.ndarray, shape: tuple[int, ...]) -> float:
    """Mean error in visible pixels over the visible image itself, without extrapolation."""
    height, width = shape[:2]
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    moved = map_points(found, map_points(np.linalg.inv(true), points))
    return float(np.linalg.norm(moved - points, axis=1).mean())


def unaligned(data: Path) -> list[dict[str, Any]]:
    """Every pair of `unaligned/` on its own, without a starting guess."""
    truth = json.loads((data / "unaligned" / "homographies.json").read_text())
    visible = images_by_name(data / "unaligned" / "visible")
    infrared = images_by_name(data / "unaligned" / "infrared")
    rows = []
    for name, matrix in tqdm(truth.items(), desc="unaligned"):
        pair = read_visible(visible[name]), read_infrared(infrared[name]).astype(np.uint8)
        result = calibrate_from_pairs([pair])
        found, true = np.asarray(result.homography.matrix), np.asarray(matrix)
        errors = corner_errors(found, true, pair[1].shape)
        rows.append(
            {
                "name": name,
                "corner_error": float(errors.mean()),
                "worst_corner": float(errors.max()),
                "inside_error": inside_error(found, true, pair[0].shape),
                "perspective": [float(v) for v in found[2, :2]],
                **result.facts(),
            }
        )
    return rows


def rig_pairs(data: Path) -> list[Pair]:
    """All test pairs, resized to one size as if one rig had taken them."""
    pairs = []
    for files in find_dataset(data / "test").pairs:
        visible, infrared = read_visible(files.visible), read_infrared(files.infrared)
        pairs.append(
            (
                cv2.resize(visible, RIG_SIZE, interpolation=cv2.INTER_AREA).astype(np.uint8),
                cv2.resize(infrared, RIG_SIZE, interpolation=cv2.INTER_AREA).astype(np.uint8),
            )
        )
    return pairs


def disturbance(severity: float, rng: np.random.Generator) -> np.ndarray:
    """A rig's homography, infrared to visible: at severity 1 a shift of 40 pixels, scale 0.8 or
    1.25, rotation by 5 degrees and 3 % perspective across the image, in random directions.
    """
    width, height = RIG_SIZE
    angle = np.deg2rad(5) * severity * rng.choice([-1, 1])
    scale = 1.25 ** (severity * rng.choice([-1, 1]))
    direction = rng.uniform(0, 2 * np.pi)
    center = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    shift = 40 * severity * np.array([np.cos(direction), np.sin(direction)])
    tilt = 6e-5 * severity * rng.choice([-1, 1], 2)
    core = np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]], [tilt[0], tilt[1], 1.0]])
    return np.linalg.inv(center) @ core @ center


def disturbed(pairs: list[Pair], matrix: np.ndarray) -> list[Pair]:
    """The pairs as a rig with this homography would deliver them."""
    return [
        (
            visible,
            cv2.warpPerspective(
                infrared, np.linalg.inv(matrix), RIG_SIZE, borderMode=cv2.BORDER_REPLICATE
            ).astype(np.uint8),
        )
        for visible, infrared in pairs
    ]


def severity_curves(data: Path) -> list[dict[str, Any]]:
    """Error against severity from 1, 5 and 20 pairs, and what it does to the fused metrics."""
    pairs = rig_pairs(data)
    fuser = Fuser("default", threads=1)
    rows = []
    for severity, count, trial in tqdm(list(_plan()), desc="severity"):
        rng = np.random.default_rng([int(100 * severity), trial])
        true = disturbance(severity, rng)
        chosen = [pairs[i] for i in rng.permutation(len(pairs))[:count]]
        rig = disturbed(chosen, true)
        result = calibrate_from_pairs(rig)
        found = np.asarray(result.homography.matrix)
        row = {
            "severity": severity,
            "pairs": count,
            "corner_error": float(corner_errors(found, true, rig[0][1].shape).mean()),
            "before": float(corner_errors(np.eye(3), true, rig[0][1].shape).mean()),
            **result.facts(),
        }
        if result.accepted and severity >= 0.67:
            row["metrics"] = fused_metrics(fuser, rig[:5], true, result)
        rows.append(row)
    return rows


def fused_metrics(
    fuser: Fuser, rig: list[Pair], true: np.ndarray, result: PairsCalibration
) -> dict[str, list[float]]:
    """Mean metrics over pairs when registered truly and as recovered: name to [true, found]."""
    sums: dict[str, list[float]] = {}
    homographies = [Homography.from_array(true), result.homography]
    for visible, infrared in rig:
        for index, homography in enumerate(homographies):
            warp = Registration(RegistrationConfig(homography)).warp(RIG_SIZE, RIG_SIZE)
            registered = warp(infrared)
            inner = tuple(slice(int(MARGIN * n), n - int(MARGIN * n)) for n in registered.shape)
            fused = fuser.fuse(visible, registered)[inner]
            for name, value in evaluate_pair(visible[inner], registered[inner], fused).items():
                sums.setdefault(name, [0.0, 0.0])[index] += value / len(rig)
    return sums


def _plan() -> Iterator[tuple[float, int, int]]:
    for severity in SEVERITIES:
        for count, trials in TRIALS.items():
            for trial in range(trials):
                yield severity, count, trial


def plot_severity(rows: list[dict[str, Any]], path: Path) -> None:
    """Median corner error of accepted results against severity, one curve per number of pairs."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4))
    for count in TRIALS:
        points = [
            (
                severity,
                [
                    r["corner_error"]
                    for r in rows
                    if (r["severity"], r["pairs"]) == (severity, count) and r["accepted"]
                ],
            )
            for severity in SEVERITIES
        ]
        drawn = [(severity, np.median(errors)) for severity, errors in points if errors]
        axes.plot(*zip(*drawn, strict=True), "o-", label=f"{count} pair{'s' * (count > 1)}")
    axes.set(
        xlabel="severity (1: 40 px, 5 degrees, scale 1.25, 3 % perspective)",
        ylabel="median error of the infrared corners, px",
        ylim=(0, None),
    )
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def summarize_unaligned(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that matter, over all pairs and over the accepted ones."""
    accepted = [row for row in rows if row["accepted"]]
    errors = np.array([row["corner_error"] for row in accepted])
    return {
        "pairs": len(rows),
        "accepted": len(accepted),
        "median_corner_error": float(np.median(errors)),
        "within_15_or_refused": float((len(rows) - len(errors) + (errors <= 15).sum()) / len(rows)),
        "worst_accepted": float(errors.max()),
        "median_between_measures": float(
            np.median([2 * row["between_measures_px"] for row in accepted])
        ),
        "median_inside_error": float(np.median([row["inside_error"] for row in accepted])),
        "wrong_place_accepted": int((errors > 150).sum()),
    }


def main() -> None:
    """Run one experiment and write its numbers and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=("unaligned", "severity"))
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path())
    options = parser.parse_args()
    if options.experiment == "unaligned":
        rows = unaligned(options.data)
        print(json.dumps(summarize_unaligned(rows), indent=2))
    else:
        rows = severity_curves(options.data)
        plot_severity(rows, options.output / "registration-severity.png")
    (options.output / f"registration-{options.experiment}.json").write_text(
        json.dumps(rows, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
