"""Edges that both images share: the library agrees with OpenCV."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.registration.field.edges import (
    UNIT,
    edge_channels,
    edge_channels_portably,
)


@pytest.mark.parametrize("size", [(48, 64), (61, 50), (17, 23)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_library_finds_the_edges_that_opencv_finds(size: tuple[int, int], masked: bool) -> None:
    try:
        load_library()
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))
    rng = np.random.default_rng(3)
    gray = rng.uniform(0, 255, size).astype(np.float32)
    inside = (rng.uniform(size=size) > 0.3).astype(np.float32) if masked else None
    found = edge_channels(gray, inside).astype(int)
    assert np.abs(found - edge_channels_portably(gray, inside)).max() <= 2
    assert np.abs(found).max() > 0.1 * UNIT


def test_an_edge_is_the_same_bright_or_dark_faint_or_strong() -> None:
    image = np.full((48, 64), 100, np.float32)
    image[:, 30:] = 180
    faint = 100 - (image - 100) / 4
    channels = edge_channels(image)
    assert channels[24, 30].argmax() == 0
    difference = np.abs(channels.astype(int) - edge_channels(faint))
    assert difference.max() < 0.1 * UNIT
