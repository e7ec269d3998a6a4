"""A rig that was knocked, or never fit, is noticed from its images; one that fits is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.bag.fusing import fuse_bag
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import Registration, RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig, Pose
from lut_fuse_core.registration.watch import RigState, RigWatch
from lut_fuse_core.registration.watch.suspects import _zoomed
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

WIDTH, HEIGHT = 320, 240
Pairs = list[tuple[np.ndarray, np.ndarray]]
Change = Callable[[np.ndarray], np.ndarray]
CAMERA = CameraModel(WIDTH, HEIGHT, ((280.0, 0, 159.5), (0, 280.0, 119.5), (0, 0, 1)))


def street_pairs(*, day: bool) -> Pairs:
    config = SceneConfig(width=WIDTH, height=HEIGHT, day=day, seed=1, rate=0.3)
    return [(frame.visible, frame.infrared) for frame in StreetScene(config).frames(8)]


@pytest.fixture(scope="module")
def street() -> Pairs:
    """Pairs of a street by day, registered to the pixel."""
    return street_pairs(day=True)


@pytest.fixture(scope="module")
def night() -> Pairs:
    """The same at night."""
    return street_pairs(day=False)


def moved(right: float, down: float = 0.0, degrees: float = 0.0, zoom: float = 1.0) -> Change:
    """What a camera sees that was knocked: its image moved and rotated clockwise, or zoomed."""
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), -degrees, zoom)
    matrix += np.array([[0, 0, right], [0, 0, down]])
    return lambda image: cv2.warpAffine(
        image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
    )


def watched(
    pairs: Pairs,
    change: Change = lambda image: image,
    *,
    seconds: int = 80,
    every: int = 2,
    config: RegistrationConfig | None = None,
    watch: RigWatch | None = None,
    start: float = 0.0,
) -> RigState:
    """The state after so many seconds of a stream that repeats the pairs, one every few seconds."""
    watch = watch or RigWatch()
    for number in range(seconds // every):
        visible, infrared = pairs[number % len(pairs)]
        seen = np.ascontiguousarray(change(infrared))
        watch.take(visible, seen, config or RegistrationConfig(), start + number * every)
        watch.go_on()
    return watch.state


def test_a_rig_that_fits_raises_no_alarm(street: Pairs, night: Pairs) -> None:
    for pairs in (street, night):
        state = watched(pairs)
        assert state.problem == ""
        assert state.displacement is not None
        assert state.displacement.pixels < 1.0


@pytest.mark.parametrize(("rate", "least", "most"), [(30, 10, 30), (10, 4, 10), (1, 1, 2)])
def test_a_look_is_spread_over_the_images_of_a_second(
    street: Pairs, rate: int, least: int, most: int
) -> None:
    """None of them is to be late, and the look is to be done before the next one."""
    watch, images = RigWatch(), 0
    while not watch.state.looks:
        watch.take(*street[0], RegistrationConfig(), images / rate)
        watch.go_on()
        images += 1
    assert least <= images <= most


def test_a_knocked_rig_is_noticed_and_measured(night: Pairs) -> None:
    watch = RigWatch()
    assert watched(night, watch=watch, seconds=30).problem == ""
    state = watched(night, moved(9, -4), watch=watch, seconds=115, start=30)
    assert "the rig was moved" in state.problem
    assert "degrees) beside the visible image" in state.problem
    assert state.displacement is not None
    assert state.displacement.right == pytest.approx(9, abs=1)
    assert state.displacement.down == pytest.approx(-4, abs=1)
    assert state.displacement.degrees == pytest.approx(2.0, abs=0.25)


def test_a_camera_that_was_rotated_in_its_mount_is_noticed(street: Pairs) -> None:
    state = watched(street, moved(0, 0, 4.0), seconds=75)
    assert "rotated by" in state.problem
    assert state.displacement is not None
    assert state.displacement.spin == pytest.approx(4.0, abs=0.8)


def test_nothing_is_said_before_it_has_lasted_a_minute(street: Pairs) -> None:
    assert watched(street, moved(9), seconds=50).problem == ""


def test_what_is_near_on_one_side_only_is_no_knock(street: Pairs) -> None:
    def near_on_the_left(image: np.ndarray) -> np.ndarray:
        beside = moved(8)(image)
        beside[:, WIDTH // 2 :] = image[:, WIDTH // 2 :]
        return beside

    assert watched(street, near_on_the_left, seconds=75).problem == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image[:, ::-1], "mirrored left to right"),
        (lambda image: image[::-1], "mirrored top to bottom"),
        (lambda image: image[::-1, ::-1], "rotated by 180 degrees"),
        (np.rot90, "rotated by 90 degrees counterclockwise"),
        (moved(0, zoom=1.3), "about 1.3 times as large"),
        (moved(0, zoom=0.7), "about 0.71 times as large"),
        (moved(0, zoom=1.19), "about 1.2 times as large"),
        (moved(0, zoom=1.5), "about 1.5 times as large"),
        (moved(70), "to the right"),
    ],
    ids=[
        "mirrored",
        "flipped",
        "upside down",
        "portrait",
        "longer lens",
        "shorter lens",
        "between",
        "likeness beside",
        "far",
    ],
)
def test_what_never_fit_is_named_at_the_start(street: Pairs, change: Change, said: str) -> None:
    assert said in watched(street, change, seconds=42, every=1).problem


def test_images_of_two_places_are_said_not_to_fit(street: Pairs) -> None:
    noise = np.random.default_rng(2).normal(size=(24, 32)).astype(np.float32)
    strange = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    strange = (7000 + 100 * strange).astype(np.uint16)
    assert "swapped" in watched(street, lambda image: strange, seconds=42, every=1).problem


@pytest.mark.parametrize("camera", ["visible", "infrared"])
def test_a_blank_camera_is_named_and_alarms_of_nothing_else(street: Pairs, camera: str) -> None:
    dark = [(v * 0, i) if camera == "visible" else (v, np.full_like(i, 7000)) for v, i in street]
    assert f"the {camera} image is blank" in watched(dark, seconds=20).problem


def rig(translation: tuple[float, float, float], yaw: float = 0.0) -> RegistrationConfig:
    half = np.radians(yaw) / 2
    pose = Pose.from_quaternion([0, np.sin(half), 0, np.cos(half)], translation)
    return RegistrationConfig(CameraRig(CAMERA, CAMERA, pose))


def test_a_pose_in_millimeters_is_named(street: Pairs) -> None:
    said = watched(street, config=rig((85.0, 0.0, 0.0)), seconds=6).problem
    assert "the cameras are 85 m apart" in said
    assert "in meters" in said


def test_a_pose_in_the_wrong_direction_is_named(street: Pairs) -> None:
    knocked = rig((0.0, 0.0, 0.0), yaw=2.0)
    size = (WIDTH, HEIGHT)
    positions = Registration(knocked).positions(size, size)
    assert positions is not None

    def seen_by_the_rotated_camera(image: np.ndarray) -> np.ndarray:
        shift = positions[HEIGHT // 2, WIDTH // 2, 0] - WIDTH // 2
        return moved(float(shift))(image)

    assert watched(street, seen_by_the_rotated_camera, config=knocked).problem == ""
    inverted = rig((0.0, 0.0, 0.0), yaw=-2.0)
    said = watched(street, seen_by_the_rotated_camera, config=inverted, seconds=46, every=1).problem
    assert "opposite direction" in said


def test_a_rig_without_overlap_is_named(street: Pairs) -> None:
    away = Homography(((1.0, 0.0, 5000.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    said = watched(street, config=RegistrationConfig(away), seconds=6).problem
    assert "sees no pixel of the visible image" in said


def process(
    pipeline: FusionPipeline, pairs: Pairs, change: Change, seconds: int, start: float = 0.0
) -> None:
    for second in range(0, seconds, 2):
        visible, infrared = pairs[second // 2 % len(pairs)]
        time = start + second
        seen = np.ascontiguousarray(change(infrared))
        pipeline.process(visible, seen, visible_time=time, infrared_time=time)


def test_of_calibrated_cameras_the_pose_is_corrected(street: Pairs) -> None:
    config = replace(rig((0.0, 0.0, 0.0)), follow=True)
    watch, better = RigWatch(), None
    for second in range(0, 75, 2):
        visible, infrared = street[second // 2 % len(street)]
        watch.take(visible, moved(9, -4)(infrared), config, second)
        better = better or watch.go_on()
    assert better is not None
    size = (WIDTH, HEIGHT)
    positions = Registration(better).positions(size, size)
    assert positions is not None
    center = positions[HEIGHT // 2, WIDTH // 2] - [WIDTH // 2, HEIGHT // 2]
    assert center == pytest.approx([9, -4], abs=1.2)
    assert watch.corrections == 1


def test_the_pipeline_corrects_a_rig_and_keeps_that_when_other_settings_change(
    street: Pairs,
) -> None:
    config = PipelineConfig(registration=RegistrationConfig(follow=True))
    pipeline = FusionPipeline(config)
    process(pipeline, street, moved(9, -4), 75)
    rig_state = pipeline.status.rig
    assert rig_state.corrections == 1
    assert rig_state.notes == ("the registration was corrected once, since the rig had moved",)
    corrected = pipeline.config.registration.transform
    assert corrected is not None
    feathered = replace(pipeline.config.registration, feather=3.0)
    pipeline.reconfigure(replace(pipeline.config, registration=feathered))
    assert pipeline.config.registration.transform == corrected


def test_without_follow_the_pipeline_leaves_the_registration_alone(street: Pairs) -> None:
    pipeline = FusionPipeline()
    process(pipeline, street, moved(9, -4), 75)
    assert "registration.follow" in pipeline.status.rig.problem
    assert pipeline.config.registration.transform is None


def test_pictures_without_times_are_not_watched(street: Pairs) -> None:
    pipeline = FusionPipeline()
    for visible, infrared in street:
        pipeline.process(visible, infrared)
    assert pipeline.status.rig.looks == 0


def test_registered_video_of_real_cameras_raises_no_alarm(shared: Path) -> None:
    folder = shared / "data" / "llvip_sequence"
    names = sorted(path.name for path in (folder / "visible").iterdir())[::8]
    size = (WIDTH, 256)
    pairs = [
        (
            cv2.resize(cv2.imread(str(folder / "visible" / name)), size)[..., ::-1],
            cv2.resize(cv2.imread(str(folder / "infrared" / name), cv2.IMREAD_GRAYSCALE), size),
        )
        for name in names
    ]
    assert watched([(np.ascontiguousarray(v), i) for v, i in pairs], seconds=70).problem == ""


def test_the_report_on_a_bag_says_what_is_wrong_with_the_rig(street: Pairs, tmp_path: Path) -> None:
    bags = pytest.importorskip("bags")
    entries = []
    for index in range(8):
        stamp = bags.START + index * 1000 * bags.MILLI
        entries.append(bags.image("/rgb/image_raw", street[0][0], "rgb8", stamp))
        blank = np.full((HEIGHT, WIDTH), 7000 + index, np.uint16)
        entries.append(bags.image("/thermal/image_raw", blank, "mono16", stamp))
    bag = bags.write(tmp_path / "covered", entries)
    report = fuse_bag(bag, tmp_path / "fused", FusionPipeline())
    assert report.pairs == 8
    assert "the infrared image is blank" in report.notes[-1]


def test_another_zoom_is_tried_with_the_lens_as_it_is() -> None:
    """Cropping moves pixels away from the center, and leaves how the lens bends the view."""
    matrix = ((150.0, 0.0, 80.0), (0.0, 150.0, 64.0), (0.0, 0.0, 1.0))
    lens = CameraModel(160, 128, matrix, (-0.4, 0.15, 0.0, 0.0, 0.0))
    config, sizes = RegistrationConfig(CameraRig(lens, lens)), ((160, 128), (160, 128))
    usual = Registration(config).positions(*sizes)
    larger = Registration(_zoomed(config, *sizes, zoom=1.5)).positions(*sizes)
    assert usual is not None
    assert larger is not None
    both = np.isfinite(usual) & np.isfinite(larger)
    center = np.array([80, 64])
    assert both.mean() > 0.5
    np.testing.assert_allclose(larger[both], (center + 1.5 * (usual - center))[both], atol=0.05)
