"""A procedural street at night (or by day) as a visible and an infrared camera see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.synthetic import light as lighting
from lut_fuse_core.synthetic.actors import Patch
from lut_fuse_core.synthetic.camera_view import Float32Array, View
from lut_fuse_core.synthetic.sensors import InfraredSensor, VisibleSensor
from lut_fuse_core.synthetic.street import LAMP_COLOR, Surfaces, build_street, lamp_positions
from lut_fuse_core.synthetic.traffic import Traffic
from lut_fuse_core.synthetic.transients import HotObject, Lamp

MINIMUM_SIDE = 16

DUSK = 0.06
"""Share of the daylight that is left at dusk."""


@dataclass(frozen=True)
class SceneConfig:
    """What the scene holds; the same configuration gives the same frames everywhere.

    Attributes:
        width: Pixels, at least 16.
        height: Pixels, at least 16.
        seed: Of everything random.
        rate: Frames per second.
        day: Daylight instead of night.
        dusk: With ``day``, the last of the daylight, in which the visible camera is as noisy as at
            night.
        moving: False freezes everything but the sensors' noise.
        noisy: False gives sensors without noise, fixed pattern and drift.
        people: How many take part.
        cars: How many take part.
        parked: Cars that stand at the curb.
        lamp_at: Seconds at which a bright lamp (visible) enters and stays; None for never.
        hot_object_at: The same of a hot object (infrared).

    Raises:
        InputError: For sides outside 16 to 8192 pixels, or a rate outside 0 to 1000.
    """

    width: int = 640
    height: int = 480
    seed: int = 0
    rate: float = 30.0
    day: bool = False
    dusk: bool = False
    moving: bool = True
    noisy: bool = True
    people: int = 6
    cars: int = 4
    parked: int = 3
    lamp_at: float | None = None
    hot_object_at: float | None = None

    def __post_init__(self) -> None:
        if min(self.width, self.height) < MINIMUM_SIDE or max(self.width, self.height) > 8192:
            raise InputError(
                f"a scene of {self.width}x{self.height} pixels cannot be drawn; "
                f"sides are {MINIMUM_SIDE} to 8192"
            )
        if not 0 < self.rate <= 1000:
            raise InputError(f"a rate of {self.rate} frames per second is not in 0 to 1000")


@dataclass(frozen=True)
class SceneFrame:
    """One moment: the pair, registered to the pixel.

    Attributes:
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(H, W) uint16``, raw counts (14 bits used).
        time: Seconds since the first frame.
        touched: ``(H, W) bool``, where a transient object (lamp, hot object) changes either image;
            all False before it enters.
        labels: ``(H, W) uint8``, what is where: 1 for cars, 2 for people, as in MFNet's label
            maps, 0 for all else.
    """

    visible: npt.NDArray[np.uint8]
    infrared: npt.NDArray[np.uint16]
    time: float
    touched: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.uint8]


class StreetScene:
    """The street; ask it for any frame, in any order.

    >>> scene = StreetScene(SceneConfig(width=64, height=48))
    >>> frame = scene.frame(10)
    >>> frame.visible.shape, frame.infrared.dtype
    ((48, 64, 3), dtype('uint16'))

    Args:
        config: What it shows; None for the defaults.
        view: From where; None for the usual place on the pavement.
    """

    def __init__(self, config: SceneConfig | None = None, view: View | None = None) -> None:
        self.config = config = config or SceneConfig()
        self._view = view or View(config.width, config.height)
        self._traffic = Traffic(config.seed, config.people, config.cars, config.day)
        self._still_labels = np.zeros((config.height, config.width), np.uint8)
        self._still = self._build_still()
        self._coarse = _every_fourth(self._still)
        self._light = lighting.still_light(self._still, config.day)
        self._background = self._still.albedo * self._light + self._still.emission
        self._sprite = lighting.glare_sprite()
        self._add_still_glare()
        size = (config.width, config.height, config.seed)
        self._visible = VisibleSensor(*size, config.day and not config.dusk, config.noisy)
        self._infrared = InfraredSensor(*size, config.noisy)

    def frame(self, index: int) -> SceneFrame:
        """The pair number ``index``, 0 for the first."""
        time = index / self.config.rate
        moment = time if self.config.moving else 0.0
        lamp, hot = self._transients(time)
        radiance, temperature, labels = self._render(moment, lamp, hot)
        touched = np.zeros(temperature.shape, np.bool_)
        if lamp is not None or hot is not None:
            touched = self._difference(moment, time, radiance, temperature)
        if self.config.dusk:
            radiance *= DUSK
        rng = np.random.default_rng((self.config.seed, 3, index))
        visible = self._visible.expose(radiance, rng)
        infrared = self._infrared.expose(temperature, time, rng)
        return SceneFrame(visible, infrared, time, touched, labels)

    def depth(self, index: int) -> Float32Array:
        """Distance along the optical axis of what each pixel of frame ``index`` shows.

        Returns:
            ``(H, W) float32``, meters; the sky is 10 km away.
        """
        moment = index / self.config.rate if self.config.moving else 0.0
        depth = self._still_depth.copy()
        patches = [*self._traffic.patches(moment, self._view)]
        for patch in sorted(patches, key=lambda patch: -patch.depth):
            _lay_over_depth(depth, self._still.z, patch, 0.4)
        return depth

    def frames(self, count: int) -> Iterator[SceneFrame]:
        """The first ``count`` pairs."""
        return (self.frame(index) for index in range(count))

    def _transients(self, time: float) -> tuple[Lamp | None, HotObject | None]:
        lamp_at, hot_at = self.config.lamp_at, self.config.hot_object_at
        lamp = Lamp() if lamp_at is not None and time >= lamp_at else None
        return lamp, HotObject() if hot_at is not None and time >= hot_at else None

    def _difference(
        self, moment: float, time: float, radiance: Float32Array, temperature: Float32Array
    ) -> npt.NDArray[np.bool_]:
        """Where this moment differs from itself without transient objects, on ideal sensors."""
        bare = replace(self.config, noisy=False)
        size = (bare.width, bare.height, bare.seed)
        visible, infrared = VisibleSensor(*size, bare.day, False), InfraredSensor(*size, False)
        rng = np.random.default_rng(0)
        without = self._render(moment, None, None)
        seen = visible.expose(without[0], rng) != visible.expose(radiance.copy(), rng)
        felt = infrared.expose(without[1], time, rng) != infrared.expose(temperature, time, rng)
        touched: npt.NDArray[np.bool_] = seen.any(axis=2) | felt
        return touched

    def _build_still(self) -> Surfaces:
        config = self.config
        still = build_street(self._view, config.seed, config.day)
        self._still_depth = still.z.copy()
        for patch in self._traffic.parked(config.parked, self._view):
            _lay_over_depth(self._still_depth, still.z, patch, 0.0)
            _lay_over_surfaces(still, self._still_labels, patch)
        return still

    def _add_still_glare(self) -> None:
        if self.config.day:
            return
        from_lamps = lamp_positions().astype(np.float64)
        for place, pixel in zip(from_lamps, self._view.project(from_lamps), strict=True):
            side = self._view.focal * min(3.2 / place[2], 0.3)
            lighting.add_glare(
                self._background,
                self._sprite,
                (float(pixel[0]), float(pixel[1])),
                (side, side),
                1.6 * LAMP_COLOR,
            )

    def _render(
        self, moment: float, lamp: Lamp | None, hot: HotObject | None
    ) -> tuple[Float32Array, Float32Array, npt.NDArray[np.uint8]]:
        """Linear light ``(H, W, 3)``, temperature and labels ``(H, W)`` of one moment."""
        labels = self._still_labels.copy()
        radiance = self._background.copy()
        temperature = self._still.temperature.copy()
        sources = np.zeros((0, 3)) if self.config.day else self._traffic.headlights(moment)
        beams = self._beams(sources)
        if beams is not None:
            radiance += self._still.albedo * (beams[..., None] * lighting.HEADLIGHT_COLOR)
        if lamp is not None:
            radiance += self._still.albedo * lamp.light(self._still)
        patches = [*self._traffic.patches(moment, self._view)]
        if hot is not None:
            patches += hot.patches(self._view)
        for patch in sorted(patches, key=lambda patch: -patch.depth):
            self._lay_over(radiance, temperature, labels, patch, beams)
        if not self.config.day:
            self._add_headlight_glare(radiance, sources)
        if lamp is not None:
            lamp.add_glare(radiance, self._sprite, self._view)
        return radiance, temperature, labels

    def _beams(self, sources: Float64Array) -> Float32Array | None:
        if not len(sources):
            return None
        size = (self.config.width, self.config.height)
        return cv2.resize(lighting.beams(self._coarse, sources), size).astype(
            np.float32, copy=False
        )

    def _lay_over(
        self,
        radiance: Float32Array,
        temperature: Float32Array,
        labels: npt.NDArray[np.uint8],
        patch: Patch,
        beams: Float32Array | None,
    ) -> None:
        height, width = patch.alpha.shape
        here = np.s_[patch.top : patch.top + height, patch.left : patch.left + width]
        in_front = self._still.z[here] > patch.depth - 0.4
        alpha = patch.alpha * in_front
        foot = (
            min(patch.top + height, self.config.height) - 1,
            min(patch.left + width // 2, self.config.width - 1),
        )
        incoming = self._light[foot] * 1.3
        if beams is not None and patch.headlit:
            incoming = incoming + min(1.2 * beams[foot], 2.5) * lighting.HEADLIGHT_COLOR
        covered = alpha[..., None]
        shown = (patch.albedo * incoming + patch.emission) * in_front[..., None]
        radiance[here] = radiance[here] * (1 - covered) + shown
        warmth = patch.temperature * in_front
        temperature[here] = temperature[here] * (1 - alpha) + warmth
        labels[here][patch.body * in_front > 0.5] = patch.label

    def _add_headlight_glare(self, radiance: Float32Array, sources: Float64Array) -> None:
        for place, pixel in zip(sources, self._view.project(sources), strict=True):
            if place[2] < 1.0:
                continue
            center = (float(pixel[0]), float(pixel[1]))
            side = self._view.focal * min(4.5 / place[2] ** 0.8, 0.65)
            power = np.float32(min(1.0, 0.35 + place[2] / 40))
            color = np.float32(2.6) * power * lighting.HEADLIGHT_COLOR
            lighting.add_glare(radiance, self._sprite, center, (side, side), color)
            # The road is a little wet: it mirrors the light as a streak below.
            mirrored = self._view.project(place[None] * (1, -1, 1))[0]
            streak = (float(mirrored[0]), float(mirrored[1]))
            lighting.add_glare(
                radiance, self._sprite, streak, (side * 0.3, side), np.float32(0.22) * color
            )


def _lay_over_surfaces(still: Surfaces, labels: npt.NDArray[np.uint8], patch: Patch) -> None:
    """Make an actor part of the still scene."""
    height, width = patch.alpha.shape
    here = np.s_[patch.top : patch.top + height, patch.left : patch.left + width]
    in_front = still.z[here] > patch.depth
    alpha = patch.alpha * in_front
    solid = alpha > 0.5
    still.albedo[here] = still.albedo[here] * (1 - alpha[..., None])
    still.albedo[here] += patch.albedo * in_front[..., None]
    still.emission[here] *= 1 - alpha[..., None]
    still.temperature[here] *= 1 - alpha
    still.temperature[here] += patch.temperature * in_front
    still.z[here][solid] = patch.depth
    still.upright[here][solid] = 1
    labels[here][patch.body * in_front > 0.5] = patch.label


def _lay_over_depth(depth: Float32Array, still: Float32Array, patch: Patch, slack: float) -> None:
    height, width = patch.alpha.shape
    here = np.s_[patch.top : patch.top + height, patch.left : patch.left + width]
    shown = (patch.alpha > 0.5) & (patch.depths > 0) & (still[here] > patch.depth - slack)
    depth[here][shown] = patch.depths[shown]


def _every_fourth(surfaces: Surfaces) -> Surfaces:
    step = np.s_[lighting.BEAM_STEP // 2 :: lighting.BEAM_STEP]
    maps = {
        name: np.ascontiguousarray(getattr(surfaces, name)[step, step])
        for name in surfaces.__dataclass_fields__
    }
    return Surfaces(**maps)
