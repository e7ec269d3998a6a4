"""Lens models without OpenCV: where OpenCV puts rays and pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.registration import lens
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.coarse_grid import expanded, node_places

PINHOLES = {
    "none": (),
    "plumb bob": (-0.28, 0.09, 0.001, -0.002, 0.01),
    "pincushion": (0.2, -0.05, -0.001, 0.002),
    "rational": (0.9, 0.05, 0.001, -0.001, 0.002, 1.2, 0.2, 0.01),
    "thin prism": (0.05, -0.02, 0.001, -0.001, 0.02, 0.08, 0.01, 0.01, 0.001, -0.002, 0.003, 0.001),
    "tilted": (0.05, -0.02, 0.0, 0.0, 0.02, 0.08, 0.01, 0.01, 0.0, 0.0, 0.0, 0.0, 0.02, -0.03),
}
FISHEYES = {"fisheye": (0.02, -0.01, 0.0, 0.0), "wide": (-0.02, 0.01, -0.003, 0.0004)}


def camera(coefficients: tuple[float, ...], *, fisheye: bool = False) -> CameraModel:
    focal = 180.0 if fisheye else 330.0
    matrix = ((focal, 0.0, 205.0), (0.0, focal + 2, 148.0), (0.0, 0.0, 1.0))
    model = "equidistant" if fisheye else "rational_polynomial"
    return CameraModel(400, 300, matrix, coefficients, model)


def some_pixels(model: CameraModel) -> Float64Array:
    inside = np.random.default_rng(0).uniform((0, 0), (model.width, model.height), (2000, 2))
    return np.concatenate([inside, [[205.0, 148.0], [-0.5, -0.5], [399.5, 299.5]]])


@pytest.mark.parametrize("name", PINHOLES)
def test_a_pinhole_camera_sees_what_opencv_says(name: str) -> None:
    model = camera(PINHOLES[name])
    pixels = some_pixels(model)
    rays = model.rays(pixels)
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    seen, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), model.intrinsics, model.coefficients
    )
    np.testing.assert_allclose(seen.reshape(-1, 2), pixels, atol=1e-6)
    np.testing.assert_allclose(model.project(points), pixels, atol=1e-6)


@pytest.mark.parametrize("name", FISHEYES)
def test_a_fisheye_camera_sees_what_opencv_says(name: str) -> None:
    model = camera(FISHEYES[name], fisheye=True)
    pixels = some_pixels(model)
    rays = model.rays(pixels)
    seen = cv2.fisheye.distortPoints(rays[:, None], model.intrinsics, model.coefficients)
    np.testing.assert_allclose(seen.reshape(-1, 2), pixels, atol=1e-6)
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    np.testing.assert_allclose(model.project(points), pixels, atol=1e-6)


def test_a_place_that_a_fisheye_takes_no_ray_to_is_seen_from_nowhere() -> None:
    # 90 degrees from the axis land at 1.1; beyond, the polynomial runs back.
    coefficients = np.array([-0.12, 0.0, 0.0, 0.0])
    (found,) = lens.fisheye_undistorted(np.array([[1.5, 0.0]]), coefficients)
    assert (found == lens.NOWHERE).all()


def test_steps_that_lead_away_become_shorter() -> None:
    """Plain fixed-point iteration goes back and forth where a lens bends rays this much."""
    strong = np.array([0.6, 0.0, 0.0, 0.0])
    rays = np.stack([np.linspace(0, 1.6, 50), np.zeros(50)], axis=1)
    found = lens.undistorted(lens.distorted(rays, strong), strong)
    np.testing.assert_allclose(found, rays, atol=1e-9)


def test_places_that_no_ray_is_taken_to_come_out_near_the_last_that_are() -> None:
    barrel = np.array([-0.4, 0.0, 0.0, 0.0])
    rays = np.stack([np.linspace(0, 2, 2000), np.zeros(2000)], axis=1)
    farthest = lens.distorted(rays, barrel)[:, 0].max()
    (found,) = lens.undistorted(np.array([[farthest + 0.01, 0.0]]), barrel)
    assert np.isfinite(found).all()
    reached = lens.distorted(found[None], barrel)[0, 0]
    assert farthest - 0.01 < reached <= farthest


@pytest.mark.parametrize("size", [(16, 16), (75, 45), (640, 480)])
def test_what_is_linear_between_nodes_is_there_at_every_pixel(size: tuple[int, int]) -> None:
    nodes = node_places(size)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    expected = np.stack([2 * x - y, x + 3 * y], axis=-1)
    found = expanded(np.stack([2 * nodes[..., 0] - nodes[..., 1], nodes @ [1, 3]], axis=-1), size)
    np.testing.assert_allclose(found, expected, atol=1e-3)
