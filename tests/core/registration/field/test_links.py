"""Bonds between neighboring cells: weak where an object ends."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.registration.field.grid import CELL
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.links import infrared_links, visible_links

ROWS, COLUMNS = 6, 8


def test_bonds_are_weak_where_the_visible_image_changes() -> None:
    gray = np.zeros((ROWS * CELL, COLUMNS * CELL), np.float32)
    gray[:, 4 * CELL :] = 100
    right, down = visible_links(gray, COLUMNS, ROWS)
    assert (right[:, 3] < 0.3).all()
    assert (np.delete(right, 3, axis=1) == 1).all()
    assert (down == 1).all()


def test_bonds_follow_a_warm_body_where_infrared_shows_it() -> None:
    lines = SearchLines(False, np.zeros((ROWS, COLUMNS), np.float32), -10, 10)
    margin = 12
    infrared = np.full((ROWS * CELL + 2 * margin, COLUMNS * CELL + 2 * margin), 8000, np.float32)
    # A body over cells 2 to 4 of rows 1 to 4, which infrared shows a cell farther to the right.
    body = np.s_[margin + CELL : margin + 5 * CELL, margin + 3 * CELL : margin + 6 * CELL]
    infrared[body] = 9000
    labels = np.full((ROWS, COLUMNS), CELL, np.float32)
    right, down = infrared_links(infrared, lines, labels)
    assert (right[1:5, [1, 4]] < 0.2).all()
    assert (right[1:5, 2:4] > 0.9).all()
    assert (down[[0, 4], 2:5] < 0.2).all()
    assert (down[1:4, 2:5] > 0.9).all()
