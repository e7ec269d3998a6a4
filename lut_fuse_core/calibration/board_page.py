"""A page to judge a board calibration by: where it errs, and what it means at which distance."""

from __future__ import annotations

from html import escape

import numpy as np

from lut_fuse_core.arrays import Float64Array, FloatArray, Size
from lut_fuse_core.calibration.board import Board
from lut_fuse_core.calibration.board_views import cells
from lut_fuse_core.calibration.from_board import BoardCalibration, residuals, transferred
from lut_fuse_core.calibration.overlays import board_picture
from lut_fuse_core.evaluation.report.document import html_document
from lut_fuse_core.evaluation.report.pictures import data_address
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.registration import Registration, RegistrationConfig

DISTANCES = (2.0, 5.0, 20.0)
"""Meters at which the parallax is shown."""

COLORS = ("#d9480f", "#e0a100", "#2f7fd1")
"""Of the arrows, one for each distance."""

SCALES = (400, 200, 100, 50, 20, 10, 5, 2, 1)
"""How many times longer residuals may be drawn than they are."""

LONGEST_ARROW = 0.06
"""Share of the image width that most residuals stay below as they are drawn."""


def render_board_page(board: Board, calibration: BoardCalibration, version: str) -> str:
    """The whole page as one HTML text.

    Args:
        board: That was shown.
        calibration: Its result.
        version: Of the program.
    """
    sections = (
        _summary(board, calibration),
        _advice(calibration),
        _residuals(board, calibration),
        _parallax(calibration),
        "<h2>One view</h2><p>Corners of the board as found in the visible image (green circles), "
        "and as predicted there from the infrared image through the rig (red crosses).</p>"
        f'<figure><img alt="board" src="'
        f'{data_address(board_picture(board, calibration))}"></figure>',
        f"<footer>lut-fuse {escape(version)}</footer>",
    )
    return html_document("Calibration", sections)


def parallax(calibration: BoardCalibration, distance: float) -> tuple[Float64Array, Float64Array]:
    """How far infrared is off for things at a distance in meters if the rig is set to infinity.

    Returns:
        Visible pixels that both cameras see, ``(N, 2)``, and by how many visible pixels infrared
        is off there, ``(N, 2)``.
    """
    rig = calibration.rig
    visible, infrared = ((camera.width, camera.height) for camera in (rig.visible, rig.infrared))
    true, assumed = (
        _positions(RegistrationConfig(rig, distance=z), infrared, visible)
        for z in (distance, np.inf)
    )
    step = max(visible) // 16
    rows = np.arange(step // 2, visible[1], step)
    columns = np.arange(step // 2, visible[0], step)
    x, y = (each.ravel() for each in np.meshgrid(columns, rows))
    # Infrared pixels to visible ones: by the slope of the map at each place.
    across = (assumed[y, np.minimum(x + 1, visible[0] - 1)] - assumed[y, np.maximum(x - 1, 0)]) / 2
    down = (assumed[np.minimum(y + 1, visible[1] - 1), x] - assumed[np.maximum(y - 1, 0), x]) / 2
    slopes = np.stack([across, down], axis=2).astype(np.float64)
    difference = (true[y, x] - assumed[y, x]).astype(np.float64)
    place = assumed[y, x]
    inside = (
        np.isfinite(slopes).all(axis=(1, 2))
        & np.isfinite(difference).all(axis=1)
        & (place >= 0).all(axis=1)
        & (place <= np.array(infrared) - 1).all(axis=1)
    )
    shifts = np.linalg.solve(slopes[inside], difference[inside][..., None])[..., 0]
    places = np.stack([x, y], axis=1)[inside].astype(np.float64)
    return places, shifts.astype(np.float64)


def _positions(config: RegistrationConfig, infrared: Size, visible: Size) -> FloatArray:
    """Where each visible pixel lies in the infrared image, ``(H, W, 2)``."""
    found = Registration(config).positions(infrared, visible)
    assert found is not None, "a rig is always registered"
    return found


def _summary(board: Board, calibration: BoardCalibration) -> str:
    rows = []
    for name, camera, error, focal_error in zip(
        ("visible", "infrared"),
        (calibration.rig.visible, calibration.rig.infrared),
        (calibration.visible_error, calibration.infrared_error),
        calibration.focal_errors,
        strict=True,
    ):
        k = camera.intrinsics
        across = 2 * np.degrees(np.arctan(camera.width / 2 / k[0, 0]))
        rows.append(
            f'<tr><td class="name">{name}</td><td>{camera.width}x{camera.height}</td>'
            f"<td>{k[0, 0]:.1f}, {k[1, 1]:.1f} ± {focal_error:.1f}</td>"
            f"<td>{k[0, 2]:.1f}, {k[1, 2]:.1f}</td><td>{across:.1f}°</td>"
            f'<td class="fused">{error:.2f}</td></tr>'
        )
    pose = calibration.rig.infrared_from_visible
    rotation = np.asarray(pose.rotation)
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    x, y, z = -rotation.T @ np.asarray(pose.translation)
    heads = "".join(
        f"<th>{head}</th>"
        for head in ("", "size", "focal length (px)", "center (px)", "view", "error (px)")
    )
    return (
        "<h1>Calibration of two cameras</h1>"
        f'<p class="soft">{len(calibration.views)} views of a board of kind '
        f"{escape(board.kind)}, {board.columns}x{board.rows}, {1000 * board.spacing:g} mm, out of "
        f"{calibration.pairs} pairs</p>"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"<p>The infrared camera is {_side(x, 'to the right of', 'to the left of')} the visible "
        f"one, {_side(y, 'below', 'above')} it and {_side(z, 'in front of', 'behind')} it, and "
        f"rotated by {angle:.2f}°. Infrared lands "
        f"<b>{calibration.transfer_error:.2f}</b> visible pixels beside the visible image on the "
        "board (root mean square).</p>"
    )


def _side(meters: float, positive: str, negative: str) -> str:
    return f"{100 * abs(meters):.1f} cm {positive if meters >= 0 else negative}"


def _advice(calibration: BoardCalibration) -> str:
    if not calibration.missing:
        return "<p>The board was shown everywhere, tilted each way, near and far.</p>"
    items = "".join(f"<li>{escape(each)}</li>" for each in calibration.missing)
    return f"<h2>Still to be shown</h2><ul>{items}</ul>"


def _residuals(board: Board, calibration: BoardCalibration) -> str:
    rig, views = calibration.rig, calibration.views
    drawn = []
    for title, camera, seen in (
        ("visible", rig.visible, [residuals(board, rig.visible, v.visible) for v in views]),
        ("infrared", rig.infrared, [residuals(board, rig.infrared, v.infrared) for v in views]),
        (
            "infrared to visible, on the visible image",
            rig.visible,
            [_transfer_residuals(board, calibration, index) for index in range(len(views))],
        ),
    ):
        places = np.concatenate([each[0] for each in seen])
        errors = np.concatenate([each[1] for each in seen])
        known = np.isfinite(errors).all(axis=1)
        lengths = np.linalg.norm(errors[known], axis=1)
        longest = LONGEST_ARROW * camera.width / max(float(np.quantile(lengths, 0.95)), 1e-9)
        scale = next((each for each in SCALES if each <= longest), SCALES[-1])
        drawn.append(
            f'<div class="card"><h3>{title}<span>rms '
            f"{np.sqrt(np.square(lengths).mean()):.2f} px, drawn {scale} times as long</span></h3>"
            f"{_arrows(camera, places[known], scale * errors[known], COLORS[0], shade=True)}"
            "</div>"
        )
    return (
        "<h2>Residuals over the image</h2><p>From each point as found to where the calibration "
        "puts it, longer than it is. Arrows that point every way are noise of the corners; "
        "a pattern, in a corner above all, is a lens that is not described well there. Gray "
        "ninths of an image were never shown the board.</p>"
        f'<div class="plots">{"".join(drawn)}</div>'
    )


def _transfer_residuals(
    board: Board, calibration: BoardCalibration, index: int
) -> tuple[Float64Array, Float64Array]:
    view = calibration.views[index]
    seen, predicted = transferred(board, calibration.rig, view)
    _, here, there = np.intersect1d(view.visible.ids, seen.ids, return_indices=True)
    return view.visible.pixels[here], predicted[there] - view.visible.pixels[here]


def _parallax(calibration: BoardCalibration) -> str:
    drawn, rows = [], []
    for distance, color in zip(DISTANCES, COLORS, strict=True):
        places, shifts = parallax(calibration, distance)
        lengths = np.linalg.norm(shifts, axis=1)
        if not len(lengths):
            continue
        note = f"at most {lengths.max():.1f} px"
        rows.append(
            f'<tr><td class="name">{distance:g} m</td><td class="fused">'
            f"{np.median(lengths):.1f}</td><td>{lengths.max():.1f}</td></tr>"
        )
        drawn.append(
            f'<div class="card"><h3>{distance:g} m<span>{note}</span></h3>'
            f"{_arrows(calibration.rig.visible, places, shifts, color, shade=False)}</div>"
        )
    if not rows:
        return "<h2>Parallax</h2><p>The two cameras see nothing in common at these distances.</p>"
    return (
        "<h2>Parallax</h2><p>How far infrared is beside the visible image, in visible pixels, for "
        "things at three distances when the rig is set to infinity. Set to one of these distances "
        "(<code>--distance</code>, <code>registration.distance</code>) it is off by the difference "
        "of the two. Arrows have their true length.</p>"
        '<div class="scroll"><table><thead><tr><th>at</th><th>median (px)</th><th>largest (px)'
        f"</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f'<div class="plots">{"".join(drawn)}</div>'
    )


def _arrows(
    camera: CameraModel, places: Float64Array, shifts: Float64Array, color: str, *, shade: bool
) -> str:
    """An image's area with arrows on it, as SVG."""
    width, height = camera.width, camera.height
    parts = []
    if shade:
        for row, column in np.argwhere(cells(places, (width, height)) == 0):
            parts.append(
                f'<rect x="{column * width / 3:.1f}" y="{row * height / 3:.1f}" '
                f'width="{width / 3:.1f}" height="{height / 3:.1f}" fill="#8a94a3" '
                'fill-opacity="0.25"/>'
            )
    size = max(width, height) / 250
    for (x, y), (dx, dy) in zip(places, shifts, strict=True):
        parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x + dx:.1f}" y2="{y + dy:.1f}" '
            f'stroke="{color}" stroke-width="{size / 2:.2f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size / 2:.2f}" fill="{color}"/>'
        )
    return (
        f'<svg viewBox="-0.5 -0.5 {width} {height}" role="img"><rect class="grid" x="-0.5" '
        f'y="-0.5" width="{width}" height="{height}" fill="none"/>{"".join(parts)}</svg>'
    )
