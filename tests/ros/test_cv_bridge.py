"""cv_bridge reads what the core would have to copy, and only where it reads it right."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from rig import image_message

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_encodings import LAYOUTS, samples_of
from lut_fuse_ros.frames.samples import BY_CV_BRIDGE, Samples

HEIGHT, WIDTH = 6, 4
NATIVE_IS_BIG = sys.byteorder == "big"


def message_of(encoding: str, rng: np.random.Generator, padding: int = 0):
    """An image of random bytes, each row of it padded by so many of them."""
    layout = LAYOUTS[encoding]
    row = WIDTH * layout.channels * np.dtype(layout.dtype).itemsize + padding
    data = rng.integers(0, 256, (int(HEIGHT * layout.rows), row), dtype=np.uint8)
    fields = {"height": HEIGHT, "width": WIDTH, "step": row, "is_bigendian": int(NATIVE_IS_BIG)}
    message = image_message(data, encoding)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


class Spy:
    """Stands before cv_bridge and notes what it is asked for."""

    def __init__(self) -> None:
        from cv_bridge import CvBridge

        self._bridge, self.asked = CvBridge(), 0

    def imgmsg_to_cv2(self, message):
        self.asked += 1
        return self._bridge.imgmsg_to_cv2(message)


@pytest.fixture
def cv_bridge(monkeypatch):
    """The spy; every test that takes it is skipped where cv_bridge is not."""
    boost = "cv_bridge.boost.cv_bridge_boost"
    pytest.importorskip(boost, reason="no cv_bridge", exc_type=ImportError)
    spy = Spy()
    monkeypatch.setattr("cv_bridge.CvBridge", lambda: spy)
    return spy


def quiet(text: str) -> None:
    raise AssertionError(f"there is nothing to warn of, but: {text}")


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Bit by bit, since random bytes hold numbers that are none."""
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", sorted(BY_CV_BRIDGE))
def test_cv_bridge_reads_what_the_core_would_read(cv_bridge, encoding, padding, rng):
    layout = LAYOUTS[encoding]
    pixel = layout.channels * np.dtype(layout.dtype).itemsize
    message = message_of(encoding, rng, padding * pixel)
    samples, order = Samples(quiet).of(message)
    assert cv_bridge.asked == 1
    assert order == samples_of(message)[1]
    assert same(samples, samples_of(message)[0])


@pytest.mark.parametrize("encoding", sorted(LAYOUTS.keys() - BY_CV_BRIDGE))
def test_what_cameras_send_is_read_without_a_copy_by_the_core(cv_bridge, encoding, rng):
    Samples(quiet).of(message_of(encoding, rng))
    assert cv_bridge.asked == 0


def other_byte_order(message):
    message.is_bigendian = int(not NATIVE_IS_BIG)


def no_padding_after_the_last_row(message):
    del message.data[-4:]


GUARDED = {
    "rows that are no whole pixels": ("32FC3", 4, None),
    "no padding after the last row": ("32FC1", 4, no_padding_after_the_last_row),
    "the other byte order": ("16SC1", 0, other_byte_order),
    "another byte for big-endian": ("16SC1", 0, lambda m: setattr(m, "is_bigendian", 7)),
}


@pytest.mark.parametrize("case", GUARDED)
def test_what_cv_bridge_gets_wrong_is_read_by_the_core(cv_bridge, case, rng):
    encoding, padding, change = GUARDED[case]
    message = message_of(encoding, rng, padding)
    if change is not None:
        change(message)
    samples, _ = Samples(quiet).of(message)
    assert cv_bridge.asked == 0
    assert same(samples, samples_of(message)[0])


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_planes_are_not_given_to_cv_bridge_which_takes_them_for_pixels(cv_bridge, encoding, rng):
    message = message_of(encoding, rng)
    rows = samples_of(message)[0].size
    try:
        seen = cv_bridge.imgmsg_to_cv2(message).size
    except Exception:
        return
    assert seen != rows


@pytest.mark.parametrize("encoding", sorted(BY_CV_BRIDGE))
def test_an_image_that_contradicts_itself_is_refused_before_cv_bridge_sees_it(
    cv_bridge, encoding, rng
):
    message = message_of(encoding, rng)
    del message.data[-1:]
    with pytest.raises(InputError, match="bytes of data"):
        Samples(quiet).of(message)
    assert cv_bridge.asked == 0


@pytest.mark.parametrize(
    "error",
    ["ImportError('numpy.core.multiarray failed to import')", "AttributeError('_ARRAY_API')"],
)
def test_a_cv_bridge_built_for_another_numpy_is_warned_of_once_and_the_images_are_read(
    monkeypatch, tmp_path, error, rng
):
    for name in [name for name in sys.modules if name.split(".")[0] == "cv_bridge"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "cv_bridge").mkdir()
    (tmp_path / "cv_bridge" / "__init__.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(tmp_path)
    warnings: list[str] = []
    samples = Samples(warnings.append)
    for _ in range(2):
        message = message_of("32FC1", rng)
        assert same(samples.of(message)[0], samples_of(message)[0])
    assert len(warnings) == 1
    assert error.split("'")[1] in warnings[0]
