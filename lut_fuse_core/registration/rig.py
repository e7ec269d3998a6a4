"""Two calibrated cameras and the pose between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel, as_rows

LONGEST_BASELINE = 3.0
"""Meters between two cameras of one rig; more is a mistake of the unit."""


@dataclass(frozen=True)
class Pose:
    """Takes points from one camera's frame to another's: ``rotation @ point + translation``.

    Attributes:
        rotation: 3x3.
        translation: Meters. Frames are optical: x right, y down, z forward.

    Raises:
        InputError: For a rotation that is none, or a translation that is not finite.
    """

    rotation: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        rotation = np.asarray(self.rotation, np.float64)
        if rotation.shape != (3, 3) or not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4):
            raise InputError("the rotation between the cameras is not a 3x3 rotation matrix")
        if np.linalg.det(rotation) < 0:
            raise InputError("the rotation between the cameras mirrors; check its signs")
        if len(self.translation) != 3 or not np.isfinite(self.translation).all():
            raise InputError("the translation between the cameras must be three numbers in meters")

    @classmethod
    def from_quaternion(cls, quaternion: Sequence[float], translation: Sequence[float]) -> Pose:
        """From x, y, z, w (the order of ROS messages) and a translation in meters.

        Args:
            quaternion: Four numbers, of any length but zero.
            translation: Three numbers.

        Raises:
            InputError: For a quaternion of length zero, or numbers that are not finite.
            ValueError: If there are more or fewer of them.
        """
        x, y, z, w = (float(value) for value in quaternion)
        norm = x * x + y * y + z * z + w * w
        if not norm > 0:
            raise InputError("the rotation between the cameras is a quaternion of length zero")
        s = 2.0 / norm
        rotation = (
            (1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
            (s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
            (s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
        )
        tx, ty, tz = (float(value) for value in translation)
        return cls(rotation, (tx, ty, tz))

    def apply(self, points: Float64Array) -> Float64Array:
        """Transform ``(N, 3)`` points, meters."""
        return points @ np.asarray(self.rotation).T + np.asarray(self.translation)

    def inverse(self) -> Pose:
        """The pose that takes points back."""
        rotation = np.asarray(self.rotation).T
        x, y, z = (float(value) for value in -rotation @ np.asarray(self.translation))
        return Pose(as_rows(rotation), (x, y, z))


@dataclass(frozen=True)
class CameraRig:
    """Both cameras and where they sit.

    Attributes:
        visible: Of the visible camera.
        infrared: Of the infrared camera.
        infrared_from_visible: Takes points from the visible camera's frame to the infrared camera's
            (TF: `lookup_transform(target=infrared frame, source=visible frame)`).
    """

    visible: CameraModel
    infrared: CameraModel
    infrared_from_visible: Pose = field(default_factory=Pose)

    @property
    def baseline(self) -> float:
        """Meters between the two cameras."""
        return float(np.linalg.norm(self.infrared_from_visible.translation))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CameraRig:
        """From ``{"visible": ..., "infrared": ..., "infrared_from_visible": ...}``.

        Raises:
            InputError: If a part is missing or describes no camera or pose.
        """
        for part in ("visible", "infrared", "infrared_from_visible"):
            if not isinstance(data.get(part), Mapping):
                raise InputError(f"the camera rig lacks its '{part}' part")
        pose = data["infrared_from_visible"]
        try:
            rotation = np.asarray(pose["rotation"], np.float64).reshape(3, 3)
            tx, ty, tz = (float(value) for value in pose["translation"])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "'infrared_from_visible' needs 'rotation' (3x3) and 'translation' (meters)"
            ) from None
        return cls(
            CameraModel.from_dict(data["visible"]),
            CameraModel.from_dict(data["infrared"]),
            Pose(as_rows(rotation), (tx, ty, tz)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The layout `from_dict` reads."""
        return {
            "visible": self.visible.to_dict("visible"),
            "infrared": self.infrared.to_dict("infrared"),
            "infrared_from_visible": {
                "rotation": [list(row) for row in self.infrared_from_visible.rotation],
                "translation": list(self.infrared_from_visible.translation),
            },
        }
