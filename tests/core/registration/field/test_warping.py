"""The remap that follows a field: smooth, complete, and the same on every way."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.registration import Homography, Registration, RegistrationConfig
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.warping import FieldWarps
from lut_fuse_core.registration.warp import Remap, Warp

INFRARED, VISIBLE = (97, 75), (173, 131)


def rig(turn: float = 0.05) -> FieldGeometry:
    cosine, sine = 1.7 * np.cos(turn), 1.7 * np.sin(turn)
    matrix = np.array([[cosine, -sine, 4.0], [sine, cosine, 1.0], [0, 0, 1]])
    return FieldGeometry(RegistrationConfig(Homography.from_array(matrix)), INFRARED, VISIBLE)


def field_of(geometry: FieldGeometry, seed: int | None) -> DisplacementField:
    shape = geometry.grid.rows, geometry.grid.columns
    field = DisplacementField.none(shape, VISIBLE)
    if seed is not None:
        rng = np.random.default_rng(seed)
        field.displacement[:] = rng.uniform(-9, 9, field.displacement.shape)
    return field


def base_of(geometry: FieldGeometry) -> Warp:
    return Registration(geometry.registration).warp(INFRARED, VISIBLE)


def positions(remap: Remap) -> np.ndarray:
    fraction = np.stack([remap.fractions & 31, remap.fractions >> 5], axis=-1) / 32
    return remap.offsets + fraction


def test_without_displacement_nothing_moves() -> None:
    geometry = rig()
    base = base_of(geometry)
    warp = FieldWarps(geometry).follow(base, field_of(geometry, None))
    assert base.mask is not None
    seen = base.mask == 255
    difference = np.abs(positions(warp.remap) - positions(base.remap))[seen]
    assert difference.max() <= 1 / 32 + 1e-6
    np.testing.assert_array_equal(warp.mask, base.mask)


def test_infrared_is_read_where_the_field_says() -> None:
    geometry = rig()
    field = field_of(geometry, None)
    field.displacement[..., 0] = 6.0
    warp = FieldWarps(geometry).follow(base_of(geometry), field)
    whole = positions(base_of(geometry).remap)
    np.testing.assert_allclose(
        positions(warp.remap)[20:110, 30:140], whole[20:110, 36:146], atol=0.1
    )


def test_neighboring_pixels_stay_neighbors_across_a_step() -> None:
    geometry = rig(0.0)
    field = field_of(geometry, None)
    columns = geometry.grid.columns
    field.displacement[:, columns // 2 :, 0] = -7.0
    at = positions(FieldWarps(geometry).follow(base_of(geometry), field).remap)[20:110, 20:150]
    step = np.diff(at[..., 0], axis=1)
    assert step.min() > -0.1  # nothing is folded over ...
    assert step.max() < 1.5  # ... and nothing is torn apart


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.5])
def test_the_library_gives_the_remap_that_numpy_gives(turn: float) -> None:
    try:
        library = load_library()
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))
    geometry = rig(turn)
    warps = FieldWarps(geometry)
    nodes = warps._nodes(field_of(geometry, 5))
    remap, mask = warps._expand(library, nodes)
    portable, portable_mask = warps._expand_portably(nodes)
    # OpenCV's own interpolation takes steps of 1/32 of eight pixels.
    assert np.abs(positions(remap) - positions(portable)).max() < 0.35
    assert np.abs(mask.astype(int) - portable_mask).max() <= 40
    bands = [remap.offsets[row : row + 32].reshape(-1, 2) for row in range(0, VISIBLE[1], 32)]
    for window, band in zip(remap.windows, bands, strict=True):
        assert (window[:2] <= band.min(axis=0)).all()
        assert (window[2:] >= band.max(axis=0) + 1).all()
        assert (window >= -1).all()
        assert (window[2:] <= INFRARED).all()


def test_beyond_the_infrared_view_the_mask_fades_and_no_pixel_is_black() -> None:
    geometry = FieldGeometry(RegistrationConfig(), INFRARED, INFRARED)
    shape = geometry.grid.rows, geometry.grid.columns
    field = DisplacementField.none(shape, INFRARED)
    field.displacement[..., 0] = 20
    base = Registration(geometry.registration).warp(INFRARED, INFRARED)
    warp = FieldWarps(geometry).follow(base, field)
    raw = np.full(INFRARED[::-1], 200, np.uint8)
    out = np.zeros(INFRARED[::-1], np.uint8)
    warp.sample(raw, np.arange(256, dtype=np.uint8), out)
    np.testing.assert_array_equal(out, 200)
    row = warp.mask[30].astype(int)
    assert row[70] == 255
    assert row[96] == 0
    assert (np.diff(row) <= 0).all()
