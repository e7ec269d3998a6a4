"""The memory that fusing a bag takes does not depend on its length."""

from __future__ import annotations

import tracemalloc

import bags
import numpy as np
import pytest
from random_models import random_model

from lut_fuse_core.bag import BagOptions, fuse_bag
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline

VISIBLE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
INFRARED = VISIBLE[..., 0].copy()


class Passing(FusionPipeline):
    """A pipeline that costs no time: this test is about the bag."""

    def process(self, visible, infrared=None, **times):
        return visible


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_ten_times_the_pairs_take_the_same_memory(tmp_path, storage):
    peaks = []
    for pairs in (20, 60, 600):  # what is imported counts with the first
        stamps = [bags.START + index * 33 * bags.MILLI for index in range(pairs)]
        bag = tmp_path / f"in{pairs}"
        bags.write(
            bag,
            (
                bags.image(topic, pixels, encoding, stamp)
                for stamp in stamps
                for topic, pixels, encoding in (
                    ("/rgb/image", VISIBLE, "rgb8"),
                    ("/thermal/image", INFRARED, "mono8"),
                )
            ),
            storage,
        )
        pipeline = Passing(PipelineConfig(model=random_model(), backend="reference"))
        tracemalloc.start()
        report = fuse_bag(bag, tmp_path / f"out{pairs}", pipeline, BagOptions())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.pairs == pairs
    added = 540 * (2 * VISIBLE.size + INFRARED.size)
    assert peaks[2] - peaks[1] < added / 40
