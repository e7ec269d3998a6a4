"""The pictures of docs/registration.md, from synthetic scenes.

python docs/development/experiments/real_cameras.py docs/images
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np

from lut_fuse_core.calibration.from_pairs import calibrate_from_pairs
from lut_fuse_core.calibration.overlays import overlay
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.image_files import write_image
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.synthetic.scene import SceneConfig, SceneFrame, StreetScene

RIG = np.array([[1.62, 0.05, -60], [-0.04, 1.6, -35], [2e-5, -3e-5, 1]])
GAP = 4


def strip(*images: np.ndarray) -> np.ndarray:
    """Images side by side, gray ones as RGB."""
    colored = [np.repeat(i[..., None], 3, axis=2) if i.ndim == 2 else i for i in images]
    gap = np.full((colored[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for image in colored for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)


def hot_object(folder: Path) -> None:
    """A hot object covers a tenth of the view for five seconds: who else gets darker?"""
    scene = StreetScene(SceneConfig(width=320, height=240, seed=3, moving=False))
    y, x = np.mgrid[:240, :320]
    blob = np.exp(-(((x - 250) / 34) ** 4) - ((y - 150) / 60) ** 4)
    free = blob < 0.01
    ours = InfraredNormalizer()
    past: list[np.ndarray] = []

    def per_frame(raw: np.ndarray) -> np.ndarray:
        return stretched(raw, np.percentile(raw, (1, 99)))

    def smoothed(raw: np.ndarray) -> np.ndarray:
        now = np.percentile(raw, (1, 99))
        past.append(now if not past else 0.95 * past[-1] + 0.05 * now)
        return stretched(raw, past[-1])

    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "percentiles of each frame": per_frame,
        "smoothed percentiles": smoothed,
        "this package": lambda raw: ours(raw.astype(np.uint16)).copy(),
    }
    levels: dict[str, list[float]] = {name: [] for name in methods}
    shown: dict[str, np.ndarray] = {}
    for index in range(240):
        raw = scene.frame(index).infrared.astype(np.float64)
        if 45 <= index < 195:
            raw = raw + 3000 * blob
        for name, method in methods.items():
            gray = method(np.rint(raw))
            levels[name].append(float(gray[free].mean()))
            if index in (30, 180):
                shown[f"{name} {index}"] = gray
    figure, axes = plt.subplots(figsize=(7, 3.2))
    axes.axvspan(1.5, 6.5, color="0.9", label="hot object in view")
    for name, values in levels.items():
        axes.plot(np.arange(len(values)) / 30, values, label=name)
    axes.set(xlabel="seconds", ylabel="mean gray level of all other pixels", ylim=(0, 255))
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    figure.tight_layout()
    figure.savefig(folder / "hot-object.png", dpi=110)
    pictures = [shown[f"{name} {i}"] for i in (30, 180) for name in list(methods)[1:]]
    write_image(folder / "hot-object-frames.png", strip(*pictures[:1], *pictures[2:]))
    for name, values in levels.items():
        print(f"{name}: others change by {max(values) - min(values):.1f} gray levels at most")


def stretched(raw: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Linear from the first to the second of ``ends``, clipped to 8 bits."""
    return np.clip((raw - ends[0]) / (ends[1] - ends[0]) * 255, 0, 255).astype(np.uint8)


def conditions(folder: Path) -> None:
    """Visible, infrared and fused: headlights at night, fog, day, and a camera facing the sun."""
    night = StreetScene(SceneConfig(seed=5)).frame(40)
    day = StreetScene(SceneConfig(seed=5, day=True)).frame(40)
    fog = (0.22 * day.visible.astype(np.float32) + 0.78 * 205).astype(np.uint8)
    overexposed = np.minimum(2.6 * day.visible.astype(np.float32), 255).astype(np.uint8)
    for name, visible, frame in (
        ("night", night.visible, night),
        ("fog", fog, day),
        ("day", day.visible, day),
        ("glare", overexposed, day),
    ):
        pipeline = FusionPipeline()
        gray = InfraredNormalizer()(frame.infrared).copy()
        fused = pipeline.process(visible, frame.infrared)
        write_image(folder / f"{name}.png", half(strip(visible, gray, fused)))
    strengths(folder, night)


def strengths(folder: Path, frame: SceneFrame) -> None:
    """The same pair at growing strength."""
    pipeline = FusionPipeline()
    images = []
    for strength in (0.0, 0.33, 0.67, 1.0):
        pipeline.reconfigure(replace(pipeline.config, strength=strength))
        images.append(pipeline.process(frame.visible, frame.infrared).copy())
    write_image(folder / "strength.png", half(strip(*images)))


def registration(folder: Path) -> None:
    """An unaligned rig before and after, and the fit."""
    frame = StreetScene(SceneConfig(seed=5, day=True)).frame(40)
    raw = cv2.warpPerspective(
        frame.infrared, np.linalg.inv(RIG), (400, 320), borderMode=cv2.BORDER_REFLECT
    )
    infrared = InfraredNormalizer()(raw.astype(np.uint16)).copy()
    result = calibrate_from_pairs([(frame.visible, infrared)])
    print("registration of the synthetic rig:", result.facts())
    before = FusionPipeline(PipelineConfig())
    after = FusionPipeline(
        PipelineConfig(
            registration=RegistrationConfig(
                Homography.from_array(np.asarray(result.homography.matrix))
            )
        )
    )
    images = [pipeline.process(frame.visible, infrared) for pipeline in (before, after)]
    write_image(folder / "registration-before-after.png", half(strip(*images)))
    fit = overlay(frame.visible, infrared, result.homography)
    write_image(folder / "registration-fit.png", half(fit))


def half(image: np.ndarray) -> np.ndarray:
    """Half the size, so that three fit a page."""
    size = (image.shape[1] // 2, image.shape[0] // 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def main() -> None:
    """Write all pictures to the folder named on the command line."""
    folder = Path(sys.argv[1])
    hot_object(folder)
    conditions(folder)
    registration(folder)


if __name__ == "__main__":
    main()
