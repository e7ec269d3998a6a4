"""Who works on how many cores where the codecs work, too."""

from __future__ import annotations

import cv2
import pytest

from lut_fuse_core.cli import cores
from lut_fuse_core.cli.cores import pipeline_beside_codecs
from lut_fuse_core.pipeline.config import PipelineConfig


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    yield
    cv2.setNumThreads(before)


def test_fusing_leaves_most_cores_to_the_codecs():
    pipeline = pipeline_beside_codecs(PipelineConfig(backend="reference"))
    assert pipeline.config.threads == 2
    assert cv2.getNumThreads() == 1


def test_threads_that_were_asked_for_are_used():
    pipeline = pipeline_beside_codecs(PipelineConfig(backend="reference", threads=7))
    assert pipeline.config.threads == 7


def test_where_fusing_takes_longest_it_has_all_cores():
    pipeline = pipeline_beside_codecs(PipelineConfig(backend="cpu"))
    assert pipeline.config.threads is None
    assert cv2.getNumThreads() == 4
