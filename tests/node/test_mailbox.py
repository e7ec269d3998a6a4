"""The hand-over keeps nothing that is stale and loses nothing of a burst."""

import threading
import time

from lut_fuse_ros.frames.mailbox import CAPACITY, PATIENCE, Mailbox


def took(box: Mailbox[int], timeout: float | None = 0) -> int | None:
    """What a thread gets that handles it at once."""
    item = box.take(timeout)
    if item is not None:
        box.done()
    return item


def test_a_newer_item_displaces_one_that_has_been_waiting():
    box = Mailbox[int]()
    assert box.put(1, now=0.0) == 0
    assert box.put(2, now=0.033) == 1
    assert took(box) == 2
    assert took(box) is None


def test_with_more_patience_a_few_wait_whatever_held_them_up():
    box = Mailbox[int]()
    for item in range(CAPACITY):
        assert box.put(item, now=0.033 * item, patience=0.25) == 0
    assert box.put(CAPACITY, now=0.1, patience=0.25) == 1
    assert [took(box) for _ in range(CAPACITY)] == [1, 2, 3]
    assert box.put(4, now=0.2, patience=0.25) == 0
    assert box.put(5, now=0.5, patience=0.25) == 1


def test_items_of_one_burst_wait_for_one_another():
    box = Mailbox[int]()
    for item in range(CAPACITY):
        assert box.put(item, now=0.001 * item) == 0
    assert [took(box) for _ in range(CAPACITY)] == list(range(CAPACITY))


def test_however_many_come_at_once_only_the_newest_few_are_kept():
    box = Mailbox[int]()
    displaced = sum(box.put(item, now=0.0) for item in range(1000))
    assert displaced == 1000 - CAPACITY
    assert took(box) == 1000 - CAPACITY


def test_under_steady_overload_no_item_waits_longer_than_a_period():
    box = Mailbox[int]()
    period, work = 2 * PATIENCE, 5 * PATIENCE
    free_at, waited = 0.0, []
    for item in range(200):
        now = item * period
        while free_at < now and (taken := took(box)) is not None:
            start = max(free_at, taken * period)
            waited.append(start - taken * period)
            free_at = start + work
        box.put(item, now)
    assert len(waited) > 50
    assert max(waited) <= period


def test_whoever_waits_is_woken_by_an_item_and_by_closing():
    box = Mailbox[int]()
    found = []
    thread = threading.Thread(target=lambda: found.extend([took(box, None), took(box, None)]))
    thread.start()
    box.put(7, now=0.0)
    deadline = time.monotonic() + 5
    while not found and box._items and time.monotonic() < deadline:
        time.sleep(0.001)
    box.close()
    thread.join(5)
    assert found == [7, None]


def test_a_closed_box_hands_nothing_out():
    box = Mailbox[int]()
    box.put(1, now=0.0)
    box.close()
    assert box.take(0) is None
    assert box.closed


def test_an_item_waits_for_the_one_that_is_being_handled():
    box = Mailbox[int]()
    box.put(1, now=0.0)
    assert box.take(0) == 1
    box.put(2, now=1.0)
    assert box.take(0) is None
    box.done()
    assert box.take(0) == 2


def test_only_who_disturbs_no_order_handles_an_item_itself():
    box = Mailbox[int]()
    assert box.claim()
    assert not box.claim()
    box.done()
    box.put(1, now=0.0)
    assert not box.claim()  # an older one waits
    assert box.take(0) == 1
    assert not box.claim()  # it is being handled
    box.done()
    assert box.claim()


def test_nobody_claims_a_closed_box():
    box = Mailbox[int]()
    box.close()
    assert not box.claim()
