"""The table of the model card on contrast and calm: what a model keeps of each camera.

python docs/development/experiments/criteria.py M3SVD LLVIP RoadScene/train boxes.json default ...

Contrast is a regression: how much of what differs from its mean in 31x31 pixels of one camera the
fused image has. In smoke: of infrared where the visible image is flat (deviation below 4), strong
(infrared's deviation above 6) and faint (2 to 6), over the clip 0117_1605. Markings: of the visible
image where infrared is flat and brighter, in the labeled pairs, and on the road of synthetic
streets. People: their infrared contrast to both sides, in the labeled pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core import Fuser
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.evaluation.flicker import FlickerMeter
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.dataset import find_dataset, read_infrared, read_visible
from lut_fuse_core.model.features import luma
from lut_fuse_core.synthetic import SceneConfig, StreetScene

WINDOW = 31
SMOKE = "0117_1605"
LIGHT = {"day": (True, 1.0), "dusk": (True, 0.4), "night": (False, 1.0)}

Pair = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clips", "sequence", "pairs", "boxes"):
        parser.add_argument(name, type=Path)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    for name in arguments.models:
        fuser, row = Fuser(name), {}
        for clip in sorted((arguments.clips / "visible").glob("*.mp4")):
            row[f"flicker {clip.stem}"] = _flicker(fuser, _frames(arguments.clips, clip.stem, 60))
        frames = [_read(files) for files in find_dataset(arguments.sequence).pairs[:30]]
        row["flicker LLVIP"] = _flicker(fuser, frames)
        row |= _smoke(fuser, list(_frames(arguments.clips, SMOKE, 10**6))[::10])
        boxes = read_labels(arguments.boxes).boxes
        labeled = [f for f in find_dataset(arguments.pairs).pairs if f.name in boxes]
        pairs = [_read(files) for files in labeled]
        row["markings"] = _markings(fuser, pairs)
        for light in LIGHT:
            row[f"markings, street by {light}"] = _markings(fuser, [_street(light)], road=True)
        row["people"] = _people(fuser, pairs, [boxes[files.name] for files in labeled])
        print(name, *(f"{key} {value:.2f}" for key, value in row.items()), sep="\n  ", flush=True)


def _frames(folder: Path, clip: str, count: int) -> Iterator[Pair]:
    streams = [cv2.VideoCapture(str(folder / k / f"{clip}.mp4")) for k in ("visible", "infrared")]
    for _ in range(count):
        (seen, color), (found, warm) = (stream.read() for stream in streams)
        if not (seen and found):
            return
        yield np.ascontiguousarray(color[..., ::-1]), np.ascontiguousarray(warm[..., 0])


def _read(files) -> Pair:  # type: ignore[no-untyped-def]
    return read_visible(files.visible), read_infrared(files.infrared)


def _street(light: str) -> Pair:
    day, share = LIGHT[light]
    frame = StreetScene(SceneConfig(day=day)).frame(60)
    visible = (frame.visible * share).astype(np.uint8)
    return visible, InfraredNormalizer()(frame.infrared).copy()


def _flicker(fuser: Fuser, frames: Iterable[Pair]) -> float:
    meter = FlickerMeter()
    for visible, infrared in frames:
        meter.update(visible, infrared, fuser.fuse(visible, infrared))
    return meter.report().ratio


def _smoke(fuser: Fuser, frames: Iterable[Pair]) -> dict[str, float]:
    sums = {"smoke, strong": [0.0, 0.0], "smoke, faint": [0.0, 0.0]}
    for visible, infrared in frames:
        shown, (bright, warm) = luma(fuser.fuse(visible, infrared)), _gray(visible, infrared)
        flat, deviation = _deviation(bright) < 4, _deviation(warm)
        for name, mask in (
            ("smoke, strong", flat & (deviation > 6)),
            ("smoke, faint", flat & (deviation >= 2) & (deviation <= 6)),
        ):
            _add(sums[name], shown, warm, mask)
    return {name: shared / whole for name, (shared, whole) in sums.items()}


def _markings(fuser: Fuser, pairs: Iterable[Pair], road: bool = False) -> float:
    sums = [0.0, 0.0]
    for visible, infrared in pairs:
        shown, (bright, warm) = luma(fuser.fuse(visible, infrared)), _gray(visible, infrared)
        mask = (_deviation(warm) < 4) & (_deviation(bright) > 6) & (_mean(warm) > _mean(bright))
        if road:
            mask = (_deviation(warm) < 6) & (_deviation(bright) > 8)
            mask[:280] = False
        _add(sums, shown, bright, mask)
    return sums[0] / sums[1]


def _people(fuser: Fuser, pairs: Iterable[Pair], boxes: Iterable[Iterable[LabeledBox]]) -> float:
    """Mean share of infrared's contrast, of people who stand out by more than 15 there."""
    shares = []
    for (visible, infrared), found in zip(pairs, boxes, strict=True):
        shown, warm = luma(fuser.fuse(visible, infrared)), infrared.astype(np.float32)
        for box in found:
            if box.name != "person" or box.height < 20:
                continue
            contrast, kept = (_contrast(image, box) for image in (warm, shown))
            if contrast > 15:
                shares.append(kept / contrast)
    return float(np.mean(shares))


def _contrast(image: np.ndarray, box: LabeledBox) -> float:
    """Mean of a box's inner part less that of what is beside it; not a number at the edges."""
    x0, y0, x1, y1 = map(int, box[1:5])
    width, height = x1 - x0, y1 - y0
    inner = image[y0 + height // 8 : y1 - height // 8, x0 + width // 4 : x1 - width // 4]
    left = image[y0:y1, max(x0 - width // 2, 0) : x0].ravel()
    right = image[y0:y1, x1 : x1 + width // 2].ravel()
    beside = np.concatenate([left, right])
    return float(inner.mean() - beside.mean()) if inner.size and beside.size else float("nan")


def _gray(visible: np.ndarray, infrared: np.ndarray) -> Pair:
    return luma(visible), infrared.astype(np.float32)


def _add(sums: list[float], shown: np.ndarray, source: np.ndarray, mask: np.ndarray) -> None:
    ours, theirs = ((image - _mean(image))[mask] for image in (shown, source))
    sums[0] += float(ours @ theirs)
    sums[1] += float(theirs @ theirs)


def _mean(image: np.ndarray) -> np.ndarray:
    return cv2.blur(image, (WINDOW, WINDOW))


def _deviation(image: np.ndarray) -> np.ndarray:
    mean = _mean(image)
    return np.sqrt(np.maximum(_mean(image * image) - mean * mean, 0))


if __name__ == "__main__":
    main()
