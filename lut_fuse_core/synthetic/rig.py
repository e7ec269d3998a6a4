"""The synthetic street as two cameras side by side see it, with the exact displacement."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.rig import CameraRig, Pose
from lut_fuse_core.synthetic.camera_view import Float32Array, View
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene


@dataclass(frozen=True)
class RigFrame:
    """One moment of both cameras.

    Attributes:
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(H, W) uint16``, raw counts, as the infrared camera sees them from its place.
        time: Seconds since the first frame.
        depth: ``(H, W) float32``, meters along the visible optical axis.
        both: ``(H, W) bool``, what both cameras see.
        labels: ``(H, W) uint8``, as `SceneFrame.labels`, of the visible image.
    """

    visible: npt.NDArray[np.uint8]
    infrared: npt.NDArray[np.uint16]
    time: float
    depth: Float32Array
    both: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.uint8]


class StreetRig:
    """A street seen by two cameras with parallel axes.

    >>> rig = StreetRig(SceneConfig(width=64, height=48), (0.1, 0.0))
    >>> rig.frame(0).depth.shape
    (48, 64)

    Args:
        config: What the street shows; the lamp and the hot object are not displaced.
        baseline: Where the infrared camera is, seen from the visible one: meters to the right and
            meters up.
    """

    def __init__(self, config: SceneConfig, baseline: tuple[float, float]) -> None:
        self.config, self.baseline = config, baseline
        self._here = View(config.width, config.height)
        there = replace(self._here, x=self._here.x + baseline[0], eye=self._here.eye + baseline[1])
        self._scenes = StreetScene(config, self._here), StreetScene(config, there)

    @property
    def cameras(self) -> CameraRig:
        """Both cameras and the pose between them, as a calibration would find them."""
        focal, (across, down) = self._here.focal, self._here.center
        matrix = ((focal, 0.0, across), (0.0, focal, down), (0.0, 0.0, 1.0))
        camera = CameraModel(self.config.width, self.config.height, matrix, (), "none")
        right, up = self.baseline
        return CameraRig(camera, camera, Pose(translation=(-right, up, 0.0)))

    def displacement(self, depth: Float32Array, distance: float) -> Float32Array:
        """Where infrared registered at a distance shows what is at a depth.

        Args:
            depth: ``(H, W) float32``, meters.
            distance: At which the images coincide, meters.

        Returns:
            ``(H, W, 2) float32``, visible pixels, as `DisplacementField.everywhere`.
        """
        beyond = (self._here.focal * (1 / depth - 1 / distance)).astype(np.float32)
        right, up = self.baseline
        return np.stack([-right * beyond, up * beyond], axis=-1).astype(np.float32)

    def frame(self, index: int) -> RigFrame:
        """Both images number ``index``, 0 for the first."""
        here, there = (scene.frame(index) for scene in self._scenes)
        depth, other = (scene.depth(index) for scene in self._scenes)
        places = self.displacement(depth, np.inf)
        y, x = np.indices(depth.shape, dtype=np.float32)
        x, y = x + places[..., 0], y + places[..., 1]
        met = cv2.remap(other, x, y, cv2.INTER_NEAREST, borderValue=0)
        both = np.abs(met - depth) < 0.3 + 0.05 * depth
        return RigFrame(here.visible, there.infrared, here.time, depth, both, here.labels)
