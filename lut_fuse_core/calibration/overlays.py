"""Pictures that show how well a registration fits."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.calibration.board import Board
from lut_fuse_core.calibration.board_views import picture_of
from lut_fuse_core.calibration.from_board import BoardCalibration, transferred
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import Registration, RegistrationConfig

FOUND, PREDICTED = (60, 220, 60), (255, 60, 40)
TINT = np.array([255, 120, 0], np.float32)


def overlay(visible: UInt8Array, infrared: UInt8Array, homography: Homography) -> UInt8Array:
    """The visible image in gray with the edges of the warped infrared image on top.

    Below it, the same two images in alternating squares.

    Args:
        visible: ``(H, W, 3) uint8`` RGB, or ``(H, W) uint8``.
        infrared: ``(h, w) uint8``.
        homography: Infrared pixels to visible pixels.

    Returns:
        ``(2 * H, W, 3) uint8``, RGB.
    """
    height, width = visible.shape[:2]
    registration = Registration(RegistrationConfig(homography, feather=0))
    warp = registration.warp((infrared.shape[1], infrared.shape[0]), (width, height))
    warped = warp(infrared)
    mask = np.full((height, width), 255, np.uint8) if warp.mask is None else warp.mask
    gray = cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY) if visible.ndim == 3 else visible
    base = np.repeat(np.asarray(gray, np.uint8)[..., None], 3, axis=2)
    blur = max(0.8, width / 800)
    edges = cv2.Canny(cv2.GaussianBlur(warped, (0, 0), blur), 20, 50)
    inner = cv2.erode(mask, np.ones((7, 7), np.uint8))
    drawn = base.copy()
    drawn[(np.asarray(edges) > 0) & (np.asarray(inner) > 0)] = PREDICTED
    return np.concatenate([drawn, _squares(base, warped, mask)]).astype(np.uint8)


def board_picture(board: Board, calibration: BoardCalibration) -> UInt8Array:
    """Board points of the first view: found in visible (green circles), and predicted there from
    the infrared image through the rig (red crosses). ``(H, W, 3) uint8`` RGB.
    """
    view = calibration.views[0]
    picture = picture_of(view)
    size = max(5, picture.shape[1] // 120)
    for x, y in view.visible.pixels:
        cv2.circle(picture, (round(x), round(y)), size, FOUND, 1, cv2.LINE_AA)
    _, predicted = transferred(board, calibration.rig, view)
    for x, y in predicted[np.isfinite(predicted).all(axis=1)]:
        cv2.drawMarker(picture, (round(x), round(y)), PREDICTED, cv2.MARKER_CROSS, size, 1)
    text = (
        f"errors in pixels: visible {calibration.visible_error:.2f}, infrared "
        f"{calibration.infrared_error:.2f}, infrared to visible {calibration.transfer_error:.2f}"
    )
    cv2.putText(picture, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.45, PREDICTED, 1, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def _squares(base: UInt8Array, warped: UInt8Array, mask: UInt8Array) -> UInt8Array:
    height, width = warped.shape
    side = max(16, width // 12)
    rows, columns = np.mgrid[:height, :width] // side
    shown = ((rows + columns) % 2 == 0) & (mask > 0)
    level = warped.astype(np.float32)[..., None] / 255
    tinted = np.rint(level * (0.5 * TINT + 0.5 * 255)).astype(np.uint8)
    return np.where(shown[..., None], tinted, base)
