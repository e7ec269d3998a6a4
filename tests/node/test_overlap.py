"""Two subscriptions to one topic: each image is passed on once, whichever delivers it first."""

from __future__ import annotations

from lut_fuse_ros.frames.overlap import Overlap


def delivered(*deliveries: tuple[str, int]) -> list[tuple[str, int]]:
    """What is passed on of what ``a`` and, from its first image on, ``b`` deliver."""
    overlap, known, passed = Overlap(), set(), []
    for source, stamp in deliveries:
        if source not in known:
            overlap.open(source)
            known.add(source)
        if overlap.is_new(source, stamp):
            passed.append((source, stamp))
    return passed


def test_an_image_that_both_deliver_is_passed_on_once() -> None:
    assert delivered(("a", 1), ("b", 1), ("b", 2), ("a", 2)) == [("a", 1), ("b", 2)]


def test_a_recording_that_loops_meanwhile_loses_nothing() -> None:
    loop = [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [stamp for _, stamp in delivered(*loop, *loop, *loop)] == [1, 2] * 3


def test_images_that_are_all_stamped_alike_pass() -> None:
    assert len(delivered(*[("a", 0), ("b", 0)] * 5)) == 5


def test_what_one_of_them_misses_comes_from_the_other() -> None:
    passed = delivered(("a", 1), ("b", 1), ("b", 2), ("a", 3), ("b", 3))
    assert [stamp for _, stamp in passed] == [1, 2, 3]


def opened(*sources: str) -> Overlap:
    overlap = Overlap()
    for source in sources:
        overlap.open(source)
    return overlap


def test_the_old_one_may_close_once_both_are_at_the_same_image() -> None:
    """A new subscription may be handed what was latched before long after it was made."""
    overlap = opened("a", "b")
    assert not overlap.may_close("a")
    for stamp in (1, 2, 3):
        assert overlap.is_new("a", stamp)
    for stamp in (2, 3):
        assert not overlap.may_close("a")
        assert overlap.is_new("a", stamp + 2)
        assert not overlap.is_new("b", stamp)
    assert not overlap.is_new("b", 4)
    assert overlap.is_new("a", 6)
    assert not overlap.may_close("a")
    for stamp in (5, 6):
        assert not overlap.is_new("b", stamp)
    assert overlap.may_close("a")


def test_while_a_recording_loops_the_old_one_may_close_only_where_both_are() -> None:
    """Of what the new one delivers first, the old one is yet to deliver its own."""
    overlap = opened("a")
    for stamp in (1, 2, 3):
        assert overlap.is_new("a", stamp)
    overlap.open("b")
    assert not overlap.is_new("b", 1)
    assert not overlap.may_close("a")
    assert overlap.is_new("a", 1)
    assert overlap.may_close("a")


def test_one_whose_publisher_is_gone_may_close_at_the_first_image_of_the_next() -> None:
    overlap = opened("a", "b")
    assert overlap.is_new("a", 1)
    assert overlap.is_new("b", 2)
    assert overlap.may_close("a")


def test_one_that_is_silent_while_another_goes_on_may_close() -> None:
    overlap = opened("a", "b")
    for stamp in (1, 2, 3):
        assert overlap.is_new("a", stamp)
    assert not overlap.may_close("a")
    assert not overlap.is_new("b", 1)
    assert overlap.may_close("a")


def test_once_there_is_one_again_every_image_passes() -> None:
    overlap = opened("a", "b")
    assert overlap.is_new("a", 1)
    overlap.close("a")
    assert overlap.is_new("b", 1)
