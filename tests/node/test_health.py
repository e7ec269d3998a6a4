"""Levels mean something: OK works, WARN works worse, ERROR does not work."""

from dataclasses import replace

import pytest

from lut_fuse_ros.diagnostics.health import Level, Situation, assess

GOOD = Situation(
    state="active",
    output_rate=30.0,
    latency_p99=0.02,
    recent={"visible": 30, "infrared": 30, "pairs": 30, "handed_over": 30, "published": 30},
)


def changed_counts(**counts: int) -> dict[str, int]:
    return {**GOOD.recent, **counts}


def test_fusing_is_ok_and_says_how_fast():
    assert assess(GOOD) == (Level.OK, "fusing at 30.0 Hz")


def test_being_inactive_is_no_fault():
    assert assess(replace(GOOD, state="inactive", visible_silence=99)) == (Level.OK, "inactive")


def test_nobody_listening_is_no_fault():
    situation = replace(GOOD, watched=False, recent=changed_counts(published=0))
    level, message = assess(situation)
    assert level == Level.OK
    assert "nobody subscribes" in message


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"problem": "no model file 'x'"}, Level.ERROR, "cannot start: no model"),
        ({"visible_silence": 2.0}, Level.ERROR, "no visible images for 2.0 s"),
        (
            {"fallback": "nothing", "infrared_silence": 3.0},
            Level.ERROR,
            "no infrared images for 3.0 s: nothing is published",
        ),
        (
            {"fallback": "visible", "infrared_silence": 3.0},
            Level.WARN,
            "no infrared images for 3.0 s: visible only",
        ),
        (
            {"fallback": "last_infrared", "infrared_silence": 3.0},
            Level.WARN,
            "earlier infrared reused",
        ),
        (
            {"fallback": "visible", "infrared_offset": 0.25},
            Level.WARN,
            "do not pair (infrared stamps are +0.250 s ahead",
        ),
        (
            {"recent": changed_counts(published=0, malformed=30), "last_error": "too short"},
            Level.ERROR,
            "no image could be fused: too short",
        ),
        (
            {"recent": changed_counts(malformed=1), "last_error": "too short"},
            Level.WARN,
            "1 bad messages: too short",
        ),
        ({"recent": changed_counts(dropped=10)}, Level.WARN, "33 % of the pairs dropped"),
        (
            {"recent": changed_counts(unpaired_visible=15, unpaired_infrared=15)},
            Level.WARN,
            "50 % of the frames find no partner",
        ),
        (
            {"recent": changed_counts(published=0, withheld=30)},
            Level.ERROR,
            "no infrared image is new enough: nothing is published",
        ),
        (
            {"recent": changed_counts(visible_only=30), "infrared_offset": 3.0},
            Level.WARN,
            "100 % of the images are without infrared (infrared stamps are +3.000 s",
        ),
        (
            {"recent": changed_counts(visible_only=30), "infrared_offset": -1.8e9},
            Level.WARN,
            "switched on, not from 1970: set sync.infrared_offset to -1800000000.000",
        ),
        (
            {"recent": changed_counts(published=0, repeated_stamps=29, late=29)},
            Level.ERROR,
            "the stamps of the visible images do not advance: nothing is published",
        ),
        (
            {
                "recent": changed_counts(published=0, repeated_stamps=1),
                "fallback": "nothing",
                "infrared_silence": 5.0,
            },
            Level.ERROR,
            "no infrared images for 5.0 s",
        ),
        (
            {"recent": changed_counts(published=15, repeated_stamps=15, late=15)},
            Level.WARN,
            "50 % of the visible images repeat the stamp",
        ),
        (
            {"visible_silence": 2.0, "why_silent": {"visible": "nobody publishes /a"}},
            Level.ERROR,
            "no visible images for 2.0 s (nobody publishes /a): nothing to publish",
        ),
        (
            {"fallback": "visible", "infrared_offset": 37.004},
            Level.WARN,
            "TAI (PTP), 37 s ahead of UTC: set sync.infrared_offset to 37.004, or sync.stamps",
        ),
        ({"recent": changed_counts(late=30)}, Level.WARN, "100 % of the pairs come after a later"),
        ({"recent": changed_counts(late=90)}, Level.WARN, "100 % of the pairs come after a later"),
        (
            {"latency_p99": 0.25, "clock_apart": 1e8},
            Level.WARN,
            "latency is 250 ms (99th percentile, since the arrival)",
        ),
        ({"recent": changed_counts(lossy_16_bit=9)}, Level.WARN, "as JPEG, which keeps 8 bits"),
        ({"recent": changed_counts(gray_16_bit_visible=9)}, Level.WARN, "swapped?"),
        (
            {"recent": changed_counts(damaged=2), "last_damage": "visible camera: Corrupt JPEG"},
            Level.WARN,
            "2 damaged images (visible camera: Corrupt JPEG)",
        ),
        ({"lost_datagrams": 7}, Level.WARN, "7 datagrams found the receive buffer full"),
        ({"latency_p99": 0.25}, Level.WARN, "latency is 250 ms"),
        ({"recent": changed_counts(zero_stamps=1)}, Level.WARN, "does not stamp"),
        ({"recent": changed_counts(clock_jumps=1)}, Level.WARN, "clock was set"),
        ({"notes": ("backend 'x' cannot run here",)}, Level.WARN, "cannot run here"),
    ],
)
def test_what_is_wrong_decides_level_and_message(changes, level, words):
    found, message = assess(replace(GOOD, **changes))
    assert found == level
    assert words in message


def test_repeated_stamps_are_no_fault_where_nobody_listens():
    recent = changed_counts(published=0, repeated_stamps=30)
    assert assess(replace(GOOD, watched=False, recent=recent))[0] == Level.OK


def test_clocks_are_no_advice_where_images_cannot_be_read():
    recent = changed_counts(visible_only=30, malformed=30)
    message = assess(replace(GOOD, recent=recent, infrared_offset=0.0))[1]
    assert "30 bad messages" in message
    assert "without infrared" in message
    assert "sync.infrared_offset" not in message


def test_a_slower_infrared_camera_is_not_a_pairing_problem():
    recent = changed_counts(infrared=9, pairs=9, published=9, unpaired_visible=21)
    assert assess(replace(GOOD, recent=recent))[0] == Level.OK


def test_a_slow_visible_camera_has_not_stopped_between_its_images():
    slow = replace(GOOD, visible_period=2.0, visible_silence=5.9)
    assert assess(slow)[0] == Level.OK
    assert assess(replace(slow, visible_silence=6.1))[0] == Level.ERROR


def test_the_share_of_dropped_pairs_never_exceeds_all():
    alone = changed_counts(pairs=0, handed_over=30, dropped=20)
    assert "67 % of the pairs dropped" in assess(replace(GOOD, recent=alone))[1]


def test_before_the_registration_is_known_visible_only_is_no_second_complaint():
    waiting = replace(GOOD, registered=False, recent=changed_counts(visible_only=30))
    assert assess(waiting)[0] == Level.OK


def test_free_running_cameras_are_named_and_no_fault():
    level, message = assess(replace(GOOD, slip=33.3))
    assert level == Level.OK
    assert "free-running: their phase drifts by one frame in 33 s" in message


def test_what_explains_a_warning_is_told_beside_it():
    level, message = assess(replace(GOOD, slip=33.3, latency_p99=4.0))
    assert level == Level.WARN
    assert message.startswith("latency is 4000 ms")
    assert "free-running" in message


def test_stamps_of_another_clock_are_no_latency_of_years():
    level, message = assess(replace(GOOD, clock_apart=3.2 * 365.25 * 86400))
    assert level == Level.OK
    assert "3.2 years behind this node's clock" in message
    assert "use_sim_time" in message
