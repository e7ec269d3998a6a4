"""Infrared onto the visible pixel grid: homographies, calibrated rigs, and their files."""

from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.file import (
    load_camera_info,
    load_registration,
    load_rig,
    save_registration,
)
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.positions import infrared_positions
from lut_fuse_core.registration.registration import Registration, RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig, Pose

__all__ = [
    "CameraModel",
    "CameraRig",
    "Homography",
    "Pose",
    "Registration",
    "RegistrationConfig",
    "infrared_positions",
    "load_camera_info",
    "load_registration",
    "load_rig",
    "save_registration",
]
