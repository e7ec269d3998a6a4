"""Views of a camera that is moved to and fro, from which the offset between clocks can be found."""

from __future__ import annotations

import cv2
import numpy as np

HEIGHT, WIDTH = 48, 64


def swinging_cameras(count: int) -> list[np.ndarray]:
    """What a camera sees that is moved to and fro irregularly, ``(H, W) uint8``."""
    rng = np.random.default_rng(1)
    steps = np.cumsum(rng.uniform(-6, 6, count) * np.repeat(rng.uniform(0, 1, count // 10), 10))
    scene = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, 1200)).astype(np.uint8), (0, 0), 3)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    first = int(-steps.min()) + 1
    return [scene[:, first + int(step) :][:, :WIDTH] for step in steps]
