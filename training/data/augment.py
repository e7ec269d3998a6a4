"""What robots do to cameras: each function disturbs one pair the way one cause in the field does.

Images are ``(H, W, 3)`` visible RGB and ``(H, W)`` infrared, float32, 0 to 1; functions return new
arrays and leave clipping to `augment`. What happens to each pixel of the visible image by itself is
a `Curve`, since it happens to the rest of the scene as well as to the crop. All randomness comes
from the generator passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import InputError

Curve = Callable[[FloatArray], FloatArray]
"""What becomes of each value of the visible image, ``float32`` of any shape."""


@dataclass(frozen=True)
class AugmentConfig:
    """Probability of each disturbance per pair, 0 to 1; strengths are part of the functions.

    Attributes:
        zoom: What finer sensors see, where the same scene's edges extend over more pixels.
        exposure: The visible camera's automatic exposure.
        gamma: Its tone curve.
        night: The visible image nearly black, as on a street where only infrared sees.
        cold: A dim street over cold ground: infrared shows warm bodies before dark or black, and
            the visible image is dim but carries everything else.
        glare: Headlights, in the visible image only.
        visible_noise: Sensor noise, growing in the dark.
        infrared_noise: Sensor noise, and stripes as of microbolometers.
        infrared_drift: Gain and offset of the infrared camera.
        infrared_flat: An infrared image that shows warm bodies and little else, soft and dark, so
            that the visible image must carry the street, by night as well.
        reversal: Infrared contrast reversed, as between a cold and a warm night (or black-hot).
        misalignment: Infrared shifted by up to 2 pixels.
    """

    zoom: float = 0.0
    exposure: float = 0.3
    gamma: float = 0.2
    night: float = 0.2
    cold: float = 0.0
    glare: float = 0.1
    visible_noise: float = 0.3
    infrared_noise: float = 0.2
    infrared_drift: float = 0.3
    infrared_flat: float = 0.25
    reversal: float = 0.03
    misalignment: float = 0.1

    def __post_init__(self) -> None:
        for name, probability in vars(self).items():
            if not 0 <= probability <= 1:
                raise InputError(f"augment.{name} is {probability}; it is a probability, 0 to 1")


def augment(
    visible: FloatArray,
    infrared: FloatArray,
    scene: FloatArray,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A pair with each disturbance applied or not, in the order light takes; clipped to 0..1.

    Args:
        visible: ``(H, W, 3) float32`` in [0, 1], RGB.
        infrared: ``(H, W) float32`` in [0, 1].
        scene: Pixels of the whole visible image, ``(N, 3)``, of which ``visible`` is a crop. They
            are returned in the light that the crop is in, without noise and glare.
        config: How probable each disturbance is.
        rng: Decides what happens.

    Returns:
        Visible, infrared and scene, shaped and scaled as they came.
    """
    if rng.random() < config.zoom:
        visible, infrared = zoom(visible, infrared, rng)
    light = _tone(1.0)
    if cold_ground := rng.random() < config.cold:
        infrared, light = cold(infrared, rng), dim(rng)
    elif rng.random() < config.night:
        light = night(rng)
    elif rng.random() < config.exposure:
        light = exposure(rng)
    visible, scene = light(visible), light(scene)
    if rng.random() < config.glare:
        visible = glare(visible, rng)
    if rng.random() < config.visible_noise:
        visible = visible_noise(visible, rng)
    if rng.random() < config.gamma:
        curve = gamma(rng)
        visible, scene = curve(visible), curve(scene)
    if rng.random() < config.reversal:
        infrared = reversal(infrared)
    if not cold_ground and rng.random() < config.infrared_flat:
        infrared = infrared_flat(infrared, rng)
    if rng.random() < config.infrared_drift:
        infrared = infrared_drift(infrared, rng)
    if rng.random() < config.infrared_noise:
        infrared = infrared_noise(infrared, rng)
    if rng.random() < config.misalignment:
        infrared = misalignment(infrared, rng)
    return np.clip(visible, 0, 1), np.clip(infrared, 0, 1), np.clip(scene, 0, 1)


def zoom(
    visible: FloatArray, infrared: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """A part of the view on as many pixels: 1 to 3 times finer, its edges as much softer."""
    height, width = infrared.shape
    share = 3.0 ** -rng.uniform()
    rows, columns = max(round(height * share), 1), max(round(width * share), 1)
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    window = np.s_[top : top + rows, left : left + columns]
    size = (width, height)
    finer = [
        cv2.resize(image[window], size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
        for image in (visible, infrared)
    ]
    return finer[0].astype(np.float32, copy=False), finer[1].astype(np.float32, copy=False)


def exposure(rng: np.random.Generator) -> Curve:
    """Between half and 1.6 times as bright; highlights saturate."""
    return _tone(1.0, 2.0 ** rng.uniform(-1.0, 0.7))


def gamma(rng: np.random.Generator) -> Curve:
    """Another tone curve: exponent 0.6 to 1.7."""
    return _tone(2.0 ** rng.uniform(-0.75, 0.75))


def night(rng: np.random.Generator) -> Curve:
    """Shadows go black: either all is darker by one to four stops, or lamps stay as bright."""
    if rng.random() < 0.5:
        return _tone(rng.uniform(2.2, 4.5))
    return _tone(rng.uniform(1.0, 2.2), 2.0 ** -rng.uniform(1.0, 3.5))


def dim(rng: np.random.Generator) -> Curve:
    """One to two stops darker, all texture kept."""
    return _tone(rng.uniform(1.0, 1.7), rng.uniform(0.2, 0.6))


def _tone(exponent: float, gain: float = 1.0) -> Curve:
    return lambda values: np.power(values.clip(0, 1), np.float32(exponent)) * np.float32(gain)


def cold(infrared: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Black below a level of 0.1 to 0.65, darker above it, and soft."""
    level = np.float32(rng.uniform(0.1, 0.65))
    warm = np.power(((infrared - level) / (1 - level)).clip(0, 1), np.float32(rng.uniform(1, 2.2)))
    return cv2.GaussianBlur(warm, (0, 0), rng.uniform(0.5, 2.5)).astype(np.float32, copy=False)


def glare(visible: FloatArray, rng: np.random.Generator) -> FloatArray:
    """One to three lamps that shine into the lens: a saturated core and a wide veil."""
    height, width = visible.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        distance = np.hypot(rows - rng.uniform(0, height), columns - rng.uniform(0, width))
        core, veil = rng.uniform(2, 10), rng.uniform(15, 60)
        light += 1.5 * np.exp(-((distance / core) ** 2)) + rng.uniform(0.1, 0.4) * np.exp(
            -distance / veil
        )
    tint = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.6, 1.0)], np.float32)
    return visible + light[..., None] * tint


def visible_noise(visible: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Shot and read noise at a random gain; the darker the scene, the higher the gain."""
    darkness = 1.0 - float(visible.mean())
    gain = rng.uniform(0.0, 0.03) * (0.3 + darkness**2)
    deviation = np.float32(gain) * np.sqrt(0.15 + np.clip(visible, 0, 1))
    return visible + deviation * rng.standard_normal(visible.shape, dtype=np.float32)


def infrared_drift(infrared: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Gain 0.6 to 1.3 around mid-gray, and an offset."""
    gain, offset = np.float32(rng.uniform(0.6, 1.3)), np.float32(rng.uniform(-0.12, 0.12))
    return (infrared - np.float32(0.5)) * gain + np.float32(0.5) + offset


def infrared_flat(infrared: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Everything but the warmest dark, and soft, as uncooled cameras see a street of one warmth."""
    curved = np.power(np.clip(infrared, 0, 1), np.float32(rng.uniform(1.3, 3.5)))
    return cv2.GaussianBlur(curved, (0, 0), rng.uniform(0.5, 3.0)).astype(np.float32, copy=False)


def infrared_noise(infrared: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Temporal noise of a microbolometer and stripes from its column amplifiers."""
    noise = rng.standard_normal(infrared.shape, dtype=np.float32) * np.float32(
        rng.uniform(0.0, 0.02)
    )
    stripes = rng.standard_normal((1, infrared.shape[1]), dtype=np.float32)
    return infrared + noise + stripes * np.float32(rng.uniform(0.0, 0.008))


def reversal(infrared: FloatArray) -> FloatArray:
    """Warm is dark."""
    return 1 - infrared


def misalignment(infrared: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Infrared shifted by up to 2 pixels each way, edges repeated."""
    shift = np.array([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]], np.float32)
    size = (infrared.shape[1], infrared.shape[0])
    return cv2.warpAffine(infrared, shift, size, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32, copy=False
    )
