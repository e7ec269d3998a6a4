"""`ordered_map` and `prefetch`: order, overlap, bounded memory, errors."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from lut_fuse_core.parallel import ordered_map, prefetch

PATIENCE = 30.0
"""Seconds after which a test gives up waiting for another thread."""


def test_results_come_in_the_order_of_the_items_whatever_finishes_first():
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(PATIENCE), "item 1 is not worked on beside item 0"
        else:
            later.set()
        return item * item

    assert list(ordered_map(work, range(5), workers=2)) == [0, 1, 4, 9, 16]


def test_one_worker_works_in_order():
    seen: list[int] = []
    assert len(list(ordered_map(seen.append, range(50), workers=1, ahead=8))) == 50
    assert seen == list(range(50))


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_no_more_items_are_taken_than_may_be_in_memory(ahead):
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    for consumed, _ in enumerate(ordered_map(lambda item: item, items(), workers=2, ahead=ahead)):
        assert len(taken) <= consumed + ahead


def test_an_error_comes_in_its_place_and_ends_the_rest():
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        if item == 3:
            raise ValueError("item 3")
        return item

    results = ordered_map(work, range(1000), workers=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3"):
        next(results)
    assert len(started) < 10
    assert next(results, None) is None


def test_an_error_of_the_items_is_passed_on():
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        list(ordered_map(lambda item: item, items(), workers=2, ahead=1))


def test_whoever_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    mapped = ordered_map(lambda item: item, itertools.count(), workers=3)
    fetched = prefetch(itertools.count())
    assert next(mapped) == next(fetched) == 0
    mapped.close()
    fetched.close()
    assert threading.active_count() == before


def test_stages_chain():
    source = prefetch(iter(range(100)))
    doubled = ordered_map(lambda item: 2 * item, source, workers=2)
    total = (item + 1 for item in doubled)
    assert list(ordered_map(str, total, workers=2)) == [str(2 * i + 1) for i in range(100)]


def test_prefetched_items_come_from_another_thread_a_few_ahead():
    threads = set()
    taken = []
    third = threading.Event()

    def source() -> Iterator[int]:
        for item in range(10):
            threads.add(threading.get_ident())
            taken.append(item)
            if item == 2:
                third.set()
            yield item

    items = prefetch(source(), ahead=3)
    assert next(items) == 0
    assert third.wait(PATIENCE), "nothing is fetched ahead"
    assert len(taken) <= 4
    assert list(items) == list(range(1, 10))
    assert threads.isdisjoint({threading.get_ident()})
    assert len(threads) == 1


def test_an_error_while_prefetching_comes_after_the_items_before_it():
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    items = prefetch(source())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_prefetching_nothing_gives_nothing():
    assert list(prefetch([])) == []
