"""What following the depth does to the images of a stream, and when it leaves them alone."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import Future

import cv2
import numpy as np
import pytest

from lut_fuse_core.pipeline import FusionPipeline, PipelineConfig
from lut_fuse_core.registration import (
    CameraModel,
    CameraRig,
    Homography,
    Pose,
    RegistrationConfig,
)
from lut_fuse_core.registration.field import DepthFollower
from lut_fuse_core.registration.field.estimator import FieldEstimator
from lut_fuse_core.registration.registration import Registration
from lut_fuse_core.synthetic.rig import StreetRig
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

SIZE = (320, 240)


@pytest.fixture(scope="module")
def street() -> StreetRig:
    return StreetRig(SceneConfig(*SIZE, seed=5, day=True), (0.2, 0.0))


@pytest.fixture(scope="module")
def frames(street: StreetRig) -> list:
    return [street.frame(index) for index in range(3)]


def auto(**changes: object) -> PipelineConfig:
    registration = RegistrationConfig(depth="auto", **changes)
    return PipelineConfig(backend="reference", threads=1, registration=registration)


def test_parallax_of_a_calibrated_rig_is_mostly_gone(street, frames) -> None:
    config = RegistrationConfig(street.cameras, depth="auto")
    follower = DepthFollower()
    base = Registration(config).warp(SIZE, SIZE)
    for frame in frames:
        follower.warp(base, config, frame.infrared, frame.visible)
    truth = street.displacement(frames[-1].depth, config.distance)[frames[-1].both]
    assert follower.field is not None
    left = truth - follower.field.everywhere()[frames[-1].both]
    before, after = (np.linalg.norm(each, axis=-1) for each in (truth, left))
    assert np.median(after) < 1.0
    assert np.percentile(after, 90) < 0.5 * np.percentile(before, 90)


def test_off_gives_what_there_is_without_the_setting(frames) -> None:
    frame = frames[0]
    whole = Homography.from_array(np.array([[1.0, 0, 3], [0, 1, -2], [0, 0, 1]]))
    outputs = []
    for config in (RegistrationConfig(whole), RegistrationConfig(whole, depth="off")):
        pipeline = FusionPipeline(PipelineConfig(backend="reference", registration=config))
        outputs.append(pipeline.process(frame.visible, frame.infrared))
        assert pipeline.status.depth is None
    np.testing.assert_array_equal(*outputs)


def test_the_setting_changes_while_a_stream_runs(frames) -> None:
    pipeline = FusionPipeline(auto())
    pipeline.process(frames[0].visible, frames[0].infrared)
    assert pipeline.status.depth is not None
    off = PipelineConfig(backend="reference", threads=1, registration=RegistrationConfig())
    pipeline.reconfigure(off)
    fused = pipeline.process(frames[1].visible, frames[1].infrared)
    assert pipeline.status.depth is None
    assert fused.shape == frames[1].visible.shape


def test_a_still_stream_keeps_one_remap(street) -> None:
    still = StreetScene(SceneConfig(*SIZE, seed=2, day=True, moving=False))
    follower, config = DepthFollower(), RegistrationConfig(depth="auto")
    base = Registration(config).warp(SIZE, SIZE)
    warps = []
    for index in range(8):
        frame = still.frame(index)
        warps.append(follower.warp(base, config, frame.infrared, frame.visible))
    assert len({id(warp) for warp in warps[3:]}) == 1


class AtOnce:
    """The fastest machine: an estimate is done when it is asked for."""

    def submit(self, work, *arguments) -> Future:
        done: Future = Future()
        done.set_result(work(*arguments))
        return done


class AtLast:
    """The slowest: an estimate is begun when somebody waits for it."""

    def submit(self, work, *arguments) -> AtLast:
        self.result = lambda: work(*arguments)
        return self


def test_the_speed_of_the_machine_changes_no_image(street) -> None:
    config = RegistrationConfig(street.cameras, depth="auto")
    base = Registration(config).warp(SIZE, SIZE)
    followers = DepthFollower(), DepthFollower(), DepthFollower()
    followers[0].__dict__["_worker"] = AtOnce()
    followers[1].__dict__["_worker"] = AtLast()
    for index in range(6):
        frame = street.frame(3 * index)
        pair = frame.infrared.copy(), frame.visible.copy()
        warps = [follower.warp(base, config, *pair) for follower in followers]
        for each in pair:
            each[:] = 0  # the caller's buffers are its own again
        for warp in warps[1:]:
            np.testing.assert_array_equal(warp.remap.offsets, warps[0].remap.offsets)
            np.testing.assert_array_equal(warp.remap.fractions, warps[0].remap.fractions)
    assert warps[0] is not base


def test_only_the_first_pair_of_a_stream_waits_for_its_field(street, frames, monkeypatch) -> None:
    threads, compare = [], FieldEstimator.compare

    def watched(estimator, pair):
        threads.append(threading.current_thread())
        return compare(estimator, pair)

    monkeypatch.setattr(FieldEstimator, "compare", watched)
    config, follower = RegistrationConfig(street.cameras, depth="auto"), DepthFollower()
    base = Registration(config).warp(SIZE, SIZE)
    for frame in (*frames, *frames):
        follower.warp(base, config, frame.infrared, frame.visible)
    assert len(threads) >= 3
    assert [each is threading.current_thread() for each in threads] == [
        True,
        *[False] * (len(threads) - 1),
    ]


def camera() -> CameraModel:
    return CameraModel(*SIZE, ((280, 0, 160), (0, 280, 120), (0, 0, 1)))


@pytest.mark.parametrize(
    ("registration", "sentence"),
    [
        ({"transform": CameraRig(camera(), camera(), Pose(translation=(100.0, 0, 0)))}, "millim"),
        ({"transform": CameraRig(camera(), camera(), Pose(translation=(1e-4, 0, 0)))}, "meters"),
        (
            {"transform": Homography.from_array(np.array([[1.0, 0, 900], [0, 1, 0], [0, 0, 1]]))},
            "wrong way round",
        ),
    ],
    ids=["millimeters", "kilometers", "no overlap"],
)
def test_an_impossible_rig_is_named_and_fused_as_with_off(frames, registration, sentence) -> None:
    frame = frames[0]
    pipeline = FusionPipeline(auto(**registration))
    fused = pipeline.process(frame.visible, frame.infrared)
    assert sentence in pipeline.status.depth.problem
    off = PipelineConfig(
        backend="reference", threads=1, registration=RegistrationConfig(**registration)
    )
    np.testing.assert_array_equal(fused, FusionPipeline(off).process(frame.visible, frame.infrared))


@pytest.mark.parametrize("black", ["visible", "infrared"])
def test_a_black_camera_is_named_and_fused_as_with_off(frames, black) -> None:
    visible, infrared = frames[0].visible, frames[0].infrared
    if black == "visible":
        visible = np.zeros_like(visible)
    else:
        infrared = np.zeros_like(infrared)
    pipeline = FusionPipeline(auto())
    fused = pipeline.process(visible, infrared)
    assert black in pipeline.status.depth.problem
    plain = FusionPipeline(PipelineConfig(backend="reference", threads=1))
    np.testing.assert_array_equal(fused, plain.process(visible, infrared))


@functools.cache
def other_street(dusk: bool) -> tuple[StreetRig, list]:
    """A rig and three of its frames."""
    street = StreetRig(SceneConfig(*SIZE, seed=4, day=True, dusk=dusk), (0.05, 0.0))
    return street, [street.frame(40 * index) for index in range(3)]


@pytest.mark.parametrize("dusk", [False, True], ids=["day", "dusk"])
@pytest.mark.parametrize("sign", [1, -1], ids=["right", "inverted"])
def test_a_pose_the_wrong_way_round_is_named(dusk, sign) -> None:
    street, frames = other_street(dusk)
    across = street.cameras.infrared_from_visible.translation[0]
    pose = Pose(translation=(sign * across, 0.0, 0.0))
    rig = CameraRig(street.cameras.visible, street.cameras.infrared, pose)
    config = RegistrationConfig(rig, depth="auto")
    follower = DepthFollower()
    base = Registration(config).warp(SIZE, SIZE)
    for _ in range(10):
        for frame in frames:
            warp = follower.warp(base, config, frame.infrared, frame.visible)
    assert ("inverted" in follower.status.problem) == (sign < 0)
    assert (warp is base) == (sign < 0)


def test_when_the_lights_go_out_the_field_stays_and_then_returns() -> None:
    frame = StreetScene(SceneConfig(*SIZE, seed=3, day=True)).frame(0)
    visible, infrared = frame.visible, frame.infrared
    shift = np.array([[1.0, 0, 8], [0, 1, 0]])
    moved = cv2.warpAffine(infrared, shift, SIZE, borderMode=cv2.BORDER_REPLICATE)
    config, follower = RegistrationConfig(depth="auto"), DepthFollower()
    base = Registration(config).warp(SIZE, SIZE)
    for _ in range(3):
        follower.warp(base, config, moved, visible)
    known = follower.status.displacement
    assert known == pytest.approx(8, abs=1)
    noise = np.random.default_rng(0)
    lengths = []
    for _ in range(120):
        dark = noise.integers(0, 12, visible.shape).astype(np.uint8)
        cold = noise.integers(7000, 7012, infrared.shape).astype(np.uint16)
        follower.warp(base, config, cold, dark)
        lengths.append(follower.status.displacement)
    assert lengths[20] == pytest.approx(known, abs=1)
    assert lengths[-1] < 1
