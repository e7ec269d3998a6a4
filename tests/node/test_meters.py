"""Rates and latencies are those of the recent past."""

import math

import pytest

from lut_fuse_ros.meters import WINDOW, RateMeter, Statistics, summarize


def test_a_rate_is_that_of_the_last_seconds_only():
    meter = RateMeter(now=0.0)
    for index in range(300):
        meter.tick(index / 30)
    assert meter.rate(10.0) == pytest.approx(30, rel=0.02)
    assert meter.rate(10.0 + 2 * WINDOW) == 0


def test_a_rate_is_right_before_the_window_is_full():
    meter = RateMeter(now=0.0)
    for index in range(30):
        meter.tick(index / 30)
    assert meter.rate(1.0) == pytest.approx(30, rel=0.05)


def test_silence_counts_from_the_last_event_or_the_start():
    meter = RateMeter(now=5.0)
    assert meter.silence(7.0) == 2.0
    meter.tick(8.0)
    meter.rate(100.0)
    assert meter.silence(108.0) == 100.0


def test_percentiles_of_known_numbers():
    summary = summarize([float(value) for value in range(101)])
    assert (summary.p50, summary.p99) == (50.0, 99.0)
    assert summarize([3.0]).p99 == 3.0
    assert math.isnan(summarize([]).p50)


def test_statistics_count_and_remember_the_last_error():
    statistics = Statistics(now=0.0)
    statistics.tick("pairs", 1.0)
    statistics.count("dropped", 3)
    statistics.error("malformed", "too short")
    statistics.latency(1.0, 0.010, 0.012)
    totals = statistics.totals()
    assert (totals["pairs"], totals["dropped"], totals["malformed"]) == (1, 3, 1)
    assert statistics.last_error == "too short"
    processing, age = statistics.latencies(2.0)
    assert (processing.p50, age.p50) == pytest.approx((10.0, 12.0))


def test_only_documented_counters_are_reported():
    assert set(Statistics(0.0).totals()) == set(Statistics.COUNTERS)


def test_latencies_of_long_ago_are_forgotten():
    statistics = Statistics(now=0.0)
    statistics.latency(0.0, 5.0, 6.0)
    statistics.latency(11.0, 0.010, 0.012)
    processing, age = statistics.latencies(12.0)
    assert (processing.p99, age.p99) == pytest.approx((10.0, 12.0))
    assert math.isnan(statistics.latencies(30.0)[0].p50)


def test_the_period_is_that_of_the_last_few_events_whatever_one_of_them_does():
    statistics = Statistics(now=0.0)
    assert statistics.period("visible") == 0
    statistics.tick("visible", 50.0)
    assert statistics.period("visible") == 0
    statistics.tick("visible", 52.0)
    assert statistics.period("visible") == 2.0
    for moment in (54.0, 56.0, 120.0):
        statistics.tick("visible", moment)
    assert statistics.period("visible") == 2.0
