"""Where any point of the visible image lies in the infrared one."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import Float64Array, Size
from lut_fuse_core.registration.homography import Homography, inverse_map
from lut_fuse_core.registration.rig import CameraRig

Transform = Homography | CameraRig | None


def infrared_positions(
    transform: Transform,
    inverse_distance: float,
    infrared_size: Size,
    visible_size: Size,
    points: Float64Array,
) -> Float64Array:
    """Infrared pixels that show what visible pixels show.

    Args:
        transform: As in `RegistrationConfig`.
        inverse_distance: Of what is seen, along the visible optical axis, in 1/m; only matters to
            a `CameraRig`.
        infrared_size: Width and height in pixels.
        visible_size: Width and height in pixels.
        points: ``(..., 2)`` visible pixels, within the image or not.

    Returns:
        ``(..., 2) float64``; NaN for what infrared cannot see at all.

    Raises:
        InputError: If the transform was made for images of another shape.
    """
    flat = np.asarray(points, np.float64).reshape(-1, 2)
    if transform is None:
        ratio = np.array(infrared_size, np.float64) / np.array(visible_size, np.float64)
        found = (flat + 0.5) * ratio - 0.5
    elif isinstance(transform, Homography):
        found = _through(transform.between(infrared_size, visible_size), infrared_size, flat)
    else:
        rays = transform.visible.scaled_to(*visible_size).rays(flat)
        pose = transform.infrared_from_visible
        # In units of the distance, so that an infinite one is an ordinary case.
        scene = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        scene = scene @ np.asarray(pose.rotation).T
        scene = scene + np.asarray(pose.translation) * inverse_distance
        found = transform.infrared.scaled_to(*infrared_size).project(scene)
    return found.reshape(points.shape)


def _through(matrix: Float64Array, infrared_size: Size, points: Float64Array) -> Float64Array:
    """Visible points through the inverse of a homography; NaN beyond its horizon."""
    inverse = inverse_map(matrix, infrared_size)
    mapped = points @ inverse[:, :2].T + inverse[:, 2]
    depth = mapped[:, 2:]
    return np.where(depth > 1e-6, mapped[:, :2] / np.where(depth > 1e-6, depth, 1.0), np.nan)
