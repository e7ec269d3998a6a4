"""Calibration from the live stream ends in an answer, whatever comes."""

import threading

import numpy as np

from lut_fuse_core.calibration import from_pairs
from lut_fuse_core.calibration.from_pairs import PairsCalibration, Quality
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.registration.file import load_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_ros.registration import live_calibration
from lut_fuse_ros.registration.live_calibration import LiveCalibration, outcome


class Answer:
    """Collects what `LiveCalibration` reports."""

    def __init__(self) -> None:
        self.results: list = []
        self.came = threading.Event()

    def __call__(self, result) -> None:
        self.results.append(result)
        self.came.set()


def flat_pair() -> tuple[np.ndarray, np.ndarray]:
    return np.full((64, 64, 3), 90, np.uint8), np.full((64, 64), 7000, np.uint16)


def result(reason: str) -> PairsCalibration:
    homography = Homography(((1.0, 0.0, 3.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    return PairsCalibration(homography, Quality(0.3, 2.0, 0.5, 0.4, 100, 1), reason)


def test_pairs_are_copied_because_their_messages_are_reused():
    calibration = LiveCalibration(3, NormalizationConfig(), Answer(), spacing=0.0)
    visible, infrared = flat_pair()
    calibration.offer(visible, infrared)
    visible[:] = 0
    assert calibration._pairs[0][0].min() == 90
    calibration.cancel("enough")


def test_a_trusted_result_is_used_and_written(tmp_path):
    file = tmp_path / "found.yaml"
    success, message = outcome(result(""), str(file))
    assert success
    assert str(file) in message
    assert load_registration(file) == result("").homography


def test_a_doubtful_result_is_neither_used_nor_written(tmp_path):
    file = tmp_path / "found.yaml"
    success, message = outcome(result("two places fit"), str(file))
    assert not success
    assert "two places fit" in message
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_said_to_the_operator(tmp_path):
    success, message = outcome(result(""), str(tmp_path / "nowhere" / "found.yaml"))
    assert success
    assert "not written" in message


def test_neighboring_frames_are_left_out():
    calibration = LiveCalibration(2, NormalizationConfig(), Answer(), spacing=60.0)
    for _ in range(5):
        calibration.offer(*flat_pair())
    assert len(calibration._pairs) == 1
    calibration.cancel("enough")


def test_a_stream_that_stops_ends_it_with_a_reason():
    answer = Answer()
    LiveCalibration(3, NormalizationConfig(), answer, patience=0.05)
    assert answer.came.wait(10)
    assert "0 of 3 pairs" in str(answer.results[0])


def test_an_unusable_pair_ends_it_with_a_reason():
    answer = Answer()
    calibration = LiveCalibration(1, NormalizationConfig(), answer)
    calibration.offer(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8))
    assert answer.came.wait(10)
    assert isinstance(answer.results[0], InputError)


def test_the_estimate_ends_when_it_is_canceled(monkeypatch):
    working = threading.Event()

    def endless(pairs, progress):
        while True:
            progress(0.5)
            working.set()

    monkeypatch.setattr(from_pairs, "calibrate_from_pairs", endless)
    calibration = LiveCalibration(1, NormalizationConfig(), Answer())
    calibration.offer(*flat_pair())
    assert working.wait(10)
    assert live_calibration.estimating()
    calibration.cancel("enough")
    next(t for t in threading.enumerate() if t.name == live_calibration.THREAD).join(10)
    assert not live_calibration.estimating()


def test_it_answers_once_even_if_canceled_twice():
    answer = Answer()
    calibration = LiveCalibration(3, NormalizationConfig(), answer)
    calibration.cancel("first")
    calibration.cancel("second")
    assert [str(result) for result in answer.results] == ["first"]
    assert not calibration.wants_pairs
