"""How far infrared is off in pixels and degrees, and the registration that makes up for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lut_fuse_core.arrays import Size
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.camera import as_rows
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.resizing import resizing
from lut_fuse_core.registration.rig import CameraRig, Pose
from lut_fuse_core.registration.watch.tiles import Residual

USUAL_VIEW = 60.0
"""Degrees across the visible image that are taken for granted where no camera is calibrated."""


@dataclass(frozen=True)
class Displacement:
    """By how much infrared lies beside the visible image.

    Attributes:
        right: Visible pixels, at the center of the image; negative for left.
        down: The same downward.
        spin: Degrees by which it is rotated, clockwise.
        growth: By how much it is larger, as a share.
        pixels: Mean over the image, visible pixels.
        degrees: The angle that ``right`` and ``down`` are of.
        exact: Whether that angle follows from a calibration, rather than from `USUAL_VIEW`.
    """

    right: float
    down: float
    spin: float
    growth: float
    pixels: float
    degrees: float
    exact: bool

    @classmethod
    def of(
        cls, found: Residual, scale: float, visible_size: Size, config: RegistrationConfig
    ) -> Displacement:
        """From what the small grid shows, of which a pixel is ``scale`` visible ones."""
        focal, exact = focal_length(config, visible_size)
        right, down = (scale * each for each in found.shift)
        angle = float(np.degrees(np.arctan(np.hypot(right, down) / focal)))
        spin = float(np.degrees(found.spin))
        return cls(right, down, spin, found.growth, scale * found.size, angle, exact)

    def __str__(self) -> str:
        across = f"{abs(self.right):.0f} pixels to the {'right' if self.right > 0 else 'left'}"
        along = f"{abs(self.down):.0f} {'down' if self.down > 0 else 'up'}"
        about = "" if self.exact else "about "
        text = f"{across} and {along} ({about}{self.degrees:.1f} degrees)"
        if abs(self.spin) >= 0.5:
            text += f", rotated by {self.spin:+.1f} degrees,"
        if abs(self.growth) >= 0.02:
            text += f", {100 * self.growth:+.0f} % in size,"
        return text


def focal_length(config: RegistrationConfig, visible_size: Size) -> tuple[float, bool]:
    """Of the visible camera in pixels, and whether it is calibrated."""
    if isinstance(config.transform, CameraRig):
        camera = config.transform.visible
        return float(camera.intrinsics[0, 0]) * visible_size[0] / camera.width, True
    return visible_size[0] / 2 / float(np.tan(np.radians(USUAL_VIEW / 2))), False


def homography_of(
    config: RegistrationConfig, infrared_size: Size, visible_size: Size
) -> Homography:
    """The registration of uncalibrated cameras for images of these sizes."""
    if isinstance(config.transform, Homography):
        return config.transform
    matrix = resizing(infrared_size, visible_size)
    return Homography.from_array(matrix, infrared_size, visible_size)


def corrected(
    config: RegistrationConfig, found: Displacement, visible_size: Size, infrared_size: Size
) -> RegistrationConfig:
    """The registration that takes a displacement back.

    Of calibrated cameras the pose is rotated, and lenses are left as they are.

    Args:
        config: The registration in use.
        found: How infrared lies beside the visible image under it.
        visible_size: Width and height in pixels.
        infrared_size: Width and height in pixels.

    Returns:
        A copy of ``config`` with another transform.
    """
    if isinstance(config.transform, CameraRig):
        return replace(config, transform=_rotated(config.transform, found, visible_size))
    width, height = visible_size
    x, y = (width - 1) / 2, (height - 1) / 2
    spin = np.radians(found.spin)
    linear = np.array([[1 + found.growth, -spin], [spin, 1 + found.growth]])
    displace = np.eye(3)
    displace[:2, :2] = linear
    displace[:2, 2] = np.array([x + found.right, y + found.down]) - linear @ [x, y]
    known = homography_of(config, infrared_size, visible_size)
    matrix = np.linalg.inv(displace) @ known.between(infrared_size, visible_size)
    better = Homography.from_array(matrix / matrix[2, 2], infrared_size, visible_size)
    return replace(config, transform=better)


def _rotated(rig: CameraRig, found: Displacement, visible_size: Size) -> CameraRig:
    """What is seen where infrared is now taken to be, a ray beside, belongs to the ray itself."""
    focal, _ = focal_length(RegistrationConfig(rig), visible_size)
    axis = np.array([-found.down / focal, found.right / focal, np.radians(found.spin)])
    turn, _ = cv2.Rodrigues(axis)
    pose = rig.infrared_from_visible
    rotation = np.asarray(pose.rotation)
    knocked = rotation @ np.asarray(turn) @ rotation.T
    x, y, z = (float(each) for each in knocked @ np.asarray(pose.translation))
    moved = Pose(as_rows(rotation @ np.asarray(turn)), (x, y, z))
    return replace(rig, infrared_from_visible=moved)
