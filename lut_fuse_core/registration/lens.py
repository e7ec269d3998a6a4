"""Lenses as OpenCV describes them: from a ray to where it meets the image plane, and back.

Without OpenCV, which takes 22 MB of a node that needs nothing else of it.
"""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import Float64Array

STEPS = 60
"""Iterations, at most, until a ray that the lens takes to a given place is found."""

NEAR = 1e-12
"""Distance of that place on the image plane, at unit depth, below which it is found; a billionth of
a pixel."""

FISHEYE_STEPS, FISHEYE_NEAR = 10, 1e-8
"""The same for angles at a fisheye's center, radians; Newton's method converges faster."""

NOWHERE = -1e6
"""Where rays are that a fisheye lens does not see, x/z and y/z."""

Pair = tuple[Float64Array, Float64Array]


def distorted(rays: Float64Array, coefficients: Float64Array) -> Float64Array:
    """Where a pinhole camera's lens takes rays.

    Args:
        rays: ``(N, 2)``, x/z and y/z.
        coefficients: ``(n,)``, up to 12: radial and tangential ones, the denominator of the radial
            ones, thin prism.

    Returns:
        ``(N, 2)``, on the image plane at unit depth.
    """
    k = _padded(coefficients)
    x, y = rays[:, 0], rays[:, 1]
    numerator, denominator = _radial(x * x + y * y, k)
    right, down = _sideways(x, y, k)
    radial = numerator / denominator
    return np.stack([x * radial + right, y * radial + down], axis=1)


def undistorted(places: Float64Array, coefficients: Float64Array) -> Float64Array:
    """The rays that a pinhole camera's lens takes to given places: `distorted` the other way.

    By fixed-point iteration, in shorter steps where a step leads away. Where a lens takes no ray,
    which is outside the view of any that the polynomial fits, one that comes near is found.

    Args:
        places: ``(N, 2)``, on the image plane at unit depth.
        coefficients: See `distorted`.

    Returns:
        ``(N, 2)``, x/z and y/z.
    """
    k = _padded(coefficients)
    found = places.astype(np.float64)
    left = np.arange(len(found))  # those that are not found yet
    length, off = np.ones(len(found)), _off(found, places, k)
    for _ in range(STEPS):
        left = left[~(off[left] < NEAR)]
        if not len(left):
            break
        (x, y), there = found[left].T, places[left]
        right, down = _sideways(x, y, k)
        with np.errstate(all="ignore"):
            numerator, denominator = _radial(x * x + y * y, k)
            target = (there - np.stack([right, down], axis=1)) * (denominator / numerator)[:, None]
            step = found[left] + length[left, None] * (target - found[left])
            off_there = _off(step, there, k)
        nearer = off_there < off[left]
        found[left[nearer]], off[left[nearer]] = step[nearer], off_there[nearer]
        length[left[~nearer]] /= 2
    return found


def fisheye_distorted(rays: Float64Array, coefficients: Float64Array) -> Float64Array:
    """Where a fisheye lens takes rays.

    Args:
        rays: ``(N, 2)``, x/z and y/z.
        coefficients: ``(4,)``, of the equidistant model.

    Returns:
        ``(N, 2)``, on the image plane at unit depth.
    """
    radius = np.linalg.norm(rays, axis=1)
    theta = np.arctan(radius)
    (bent,) = _bent(theta, coefficients, (1, 1, 1, 1, 1))
    center = radius <= 1e-8
    scale = np.where(center, 1.0, theta * bent / np.where(center, 1.0, radius))
    return rays * scale[:, None]


def fisheye_undistorted(places: Float64Array, coefficients: Float64Array) -> Float64Array:
    """The rays that a fisheye lens takes to given places: `fisheye_distorted` the other way.

    Args:
        places: ``(N, 2)``, on the image plane at unit depth.
        coefficients: ``(4,)``, of the equidistant model.

    Returns:
        ``(N, 2)``, x/z and y/z; `NOWHERE` for places that no ray is taken to.
    """
    radius = np.minimum(np.linalg.norm(places, axis=1), np.pi / 2)
    theta, sure = radius.copy(), radius <= FISHEYE_NEAR
    for _ in range(FISHEYE_STEPS):
        at, slope = _bent(theta, coefficients, (1, 1, 1, 1, 1), (1, 3, 5, 7, 9))
        step = np.where(sure, 0.0, (theta * at - radius) / slope)
        theta -= step
        sure |= np.abs(step) < FISHEYE_NEAR
    center = radius <= FISHEYE_NEAR
    scale = np.where(center, 0.0, np.tan(theta) / np.where(center, 1.0, radius))
    seen = sure & (theta >= 0)
    return np.where(seen[:, None], places * scale[:, None], NOWHERE)


def _padded(coefficients: Float64Array) -> Float64Array:
    return np.pad(coefficients[:12], (0, max(0, 12 - len(coefficients))))


def _radial(r2: Float64Array, k: Float64Array) -> Pair:
    """Numerator and denominator of what the distance from the axis is multiplied by."""
    numerator = 1 + ((k[4] * r2 + k[1]) * r2 + k[0]) * r2
    denominator = 1 + ((k[7] * r2 + k[6]) * r2 + k[5]) * r2
    return numerator, denominator


def _off(rays: Float64Array, places: Float64Array, k: Float64Array) -> Float64Array:
    """How far from given places the lens takes rays."""
    return np.asarray(np.linalg.norm(distorted(rays, k) - places, axis=1), np.float64)


def _sideways(x: Float64Array, y: Float64Array, k: Float64Array) -> Pair:
    """What tangential distortion and thin prisms add."""
    r2 = x * x + y * y
    right = 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x) + k[8] * r2 + k[9] * r2 * r2
    down = k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y + k[10] * r2 + k[11] * r2 * r2
    return right, down


def _bent(
    theta: Float64Array, coefficients: Float64Array, *factors: tuple[int, ...]
) -> list[Float64Array]:
    """The lens polynomial of angles by theta, its terms with each set of factors."""
    square = theta * theta
    powers = np.stack([square**power for power in range(5)])
    k = np.concatenate([[1.0], coefficients])
    return [(k * each) @ powers for each in factors]
