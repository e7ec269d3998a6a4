"""Calibration files as people have them, each with the convention it is in."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.file import (
    load_registration,
    load_rig,
    read_camera_info,
    read_registration,
    read_rig,
    save_camera_info,
)
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig

K = np.array([[411.2, 0, 159.5], [0, 411.8, 119.5], [0, 0, 1]])
D = (-0.36, 0.116, 5e-5, 3e-4, 0.0)
FISHEYE = (0.01, -0.02, 0.003, -0.0004)
H = np.array([[1.1, 0.01, -20], [0, 1.1, 5], [1e-6, 0, 1]])
R = cv2.Rodrigues(np.array([0.02, -0.03, 0.01]))[0]
T = np.array([0.1, -0.02, 0.005])

CAMERA = CameraModel.from_camera_info(320, 240, list(K.ravel()), list(D), "plumb_bob")
PINHOLE_4 = CameraModel.from_camera_info(320, 240, list(K.ravel()), list(D[:4]), "plumb_bob")
EQUIDISTANT = CameraModel.from_camera_info(320, 240, list(K.ravel()), list(FISHEYE), "equidistant")


def storage(path: Path, **content: object) -> None:
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for key, value in content.items():
        file.write(key, value)
    file.release()


def opencv(path: Path) -> None:
    matrices = {"camera_matrix": K, "distortion_coefficients": np.array([D])}
    storage(path, image_width=320, image_height=240, **matrices)


def echo(model: str, coefficients: tuple[float, ...]) -> str:
    rows = "\n".join(f"- {value}" for value in coefficients)
    return (
        "header:\n  stamp:\n    sec: 1\n    nanosec: 2\n  frame_id: thermal\nheight: 240\n"
        f"width: 320\ndistortion_model: {model}\nd:\n{rows}\nk:\n"
        + "\n".join(f"- {value}" for value in K.ravel())
        + "\nr:\n- 1.0\np:\n- 1.0\nbinning_x: 0\n---\nheight: 1\n---\n"
    )


PARAMETERS = f"""\
/camera/driver:
  ros__parameters:
    image_width: 320
    image_height: 240
    camera_matrix: {K.ravel().tolist()}
    distortion_model: plumb_bob
    distortion_coefficients: {list(D)}
    use_sim_time: false
"""

KALIBR = """\
cam{number}:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: {coefficients}
  distortion_model: {model}
  intrinsics: [411.2, 411.8, 159.5, 119.5]
  resolution: [320, 240]
  rostopic: {topic}
"""

CAMODOCAL = """\
%YAML:1.0
---
model_type: PINHOLE
camera_name: thermal
image_width: 320
image_height: 240
distortion_parameters:
   k1: -0.36
   k2: 0.116
   p1: 5.0e-05
   p2: 3e-4
projection_parameters:
   fx: 411.2
   fy: 411.8
   cx: 159.5
   cy: 119.5
"""

CAMODOCAL_FISHEYE = """\
%YAML:1.0
---
model_type: KANNALA_BRANDT
image_width: 320
image_height: 240
projection_parameters:
   k2: 0.01
   k3: -0.02
   k4: 0.003
   k5: -0.0004
   mu: 411.2
   mv: 411.8
   u0: 159.5
   v0: 119.5
"""

OST = """\
# oST version 5.0 parameters


[image]

width
320

height
240

[camera]

camera matrix
411.2 0.0 159.5
0.0 411.8 119.5
0.0 0.0 1.0

distortion
-0.36 0.116 5e-05 0.0003 0.0

rectification
1.0 0.0 0.0
0.0 1.0 0.0
0.0 0.0 1.0

projection
300.0 0.0 150.0 0.0
0.0 300.0 110.0 0.0
0.0 0.0 1.0 0.0
"""

ORB_SLAM = """\
%YAML:1.0
---
Camera.type: "PinHole"
Camera1.fx: 411.2
Camera1.fy: 411.8
Camera1.cx: 159.5
Camera1.cy: 119.5
Camera1.k1: -0.36
Camera1.k2: 0.116
Camera1.p1: 5.0e-05
Camera1.p2: 3e-4
Camera.width: 320
Camera.height: 240
"""

FLAT = {"width": 320, "height": 240, "fx": 411.2, "fy": 411.8, "cx": 159.5, "cy": 119.5}

TEXTS = {
    "ros2 topic echo": (echo("plumb_bob", D), CAMERA, "ROS camera_info"),
    "ros2 topic echo, fisheye": (echo("equidistant", FISHEYE), EQUIDISTANT, "ROS camera_info"),
    "ros2 param dump": (PARAMETERS, CAMERA, "ROS camera_info"),
    "Kalibr": (
        KALIBR.format(number=0, coefficients=list(D[:4]), model="radtan", topic="/t"),
        PINHOLE_4,
        "Kalibr",
    ),
    "Kalibr, fisheye": (
        KALIBR.format(number=0, coefficients=list(FISHEYE), model="equidistant", topic="/t"),
        EQUIDISTANT,
        "Kalibr",
    ),
    "camodocal": (CAMODOCAL, PINHOLE_4, "camodocal"),
    "camodocal, fisheye": (CAMODOCAL_FISHEYE, EQUIDISTANT, "camodocal"),
    "flat JSON": (
        json.dumps({**FLAT, **dict(zip(("k1", "k2", "p1", "p2", "k3"), D, strict=True))}),
        CAMERA,
        "flat intrinsics",
    ),
    "flat JSON, fisheye": (
        json.dumps({**FLAT, **dict(zip(("k1", "k2", "k3", "k4"), FISHEYE, strict=True))}),
        EQUIDISTANT,
        "flat intrinsics",
    ),
    "ROS's ost.txt": (OST, CAMERA, "ROS camera_info"),
    "ORB-SLAM": (ORB_SLAM, CAMERA, "flat intrinsics"),
    "Nerfstudio": (
        json.dumps(
            {
                **{"w": 320, "h": 240, "fl_x": 411.2, "fl_y": 411.8, "cx": 159.5, "cy": 119.5},
                **dict(zip(("k1", "k2", "p1", "p2"), D[:4], strict=True)),
            }
        ),
        CAMERA,
        "flat intrinsics",
    ),
    "intrinsics one level below": (
        json.dumps({"name": "thermal", "intrinsics": {**FLAT, "distortion": list(D)}}),
        CAMERA,
        "flat intrinsics",
    ),
    "a size of width and height": (
        json.dumps(
            {
                "imageSize": {"width": 320, "height": 240},
                **{"cameraMatrix": K.tolist(), "distCoeffs": list(D)},
            }
        ),
        CAMERA,
        "OpenCV calibration",
    ),
    "RealSense": (
        json.dumps(
            {
                **{k: v for k, v in FLAT.items() if k not in ("cx", "cy")},
                **{"ppx": 159.5, "ppy": 119.5, "coeffs": list(D)},
                "model": "distortion.brown_conrady",
            }
        ),
        CAMERA,
        "flat intrinsics",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_camera_is_read_from_the_text_of(name, tmp_path) -> None:
    text, camera, layout = TEXTS[name]
    (tmp_path / "c.yaml").write_text(text)
    assert read_camera_info(tmp_path / "c.yaml") == (camera, layout)


@pytest.mark.parametrize("suffix", [".yaml", ".xml", ".json"])
def test_a_camera_is_read_from_opencv_storage(suffix, tmp_path) -> None:
    opencv(tmp_path / f"c{suffix}")
    assert read_camera_info(tmp_path / f"c{suffix}") == (CAMERA, "OpenCV calibration")


def test_opencvs_own_sample_is_read_as_it_names_things(tmp_path) -> None:
    path = tmp_path / "out_camera_data.xml"
    names = {"Camera_Matrix": K, "Distortion_Coefficients": np.array([FISHEYE]).T}
    storage(path, image_Width=320, image_Height=240, fisheye_model=1, **names)
    assert read_camera_info(path)[0] == EQUIDISTANT


MATRICES = {
    "commas.csv": lambda path: np.savetxt(path, H, delimiter=","),
    "commas.txt": lambda path: np.savetxt(path, H, delimiter=","),
    "spaces.txt": lambda path: np.savetxt(path, H),
    "header.txt": lambda path: np.savetxt(path, H, header="infrared 2 visible 1"),
    "brackets.txt": lambda path: path.write_text(str(H.tolist())),
    "flat.json": lambda path: path.write_text(json.dumps(H.ravel().tolist())),
    "nested.json": lambda path: path.write_text(json.dumps(H.tolist())),
    "storage.yaml": lambda path: storage(path, homography=H),
    "storage.xml": lambda path: storage(path, H=H),
    "storage.json": lambda path: storage(path, homography=H),
    "dump.yaml": lambda path: path.write_text(
        f"/fusion_node:\n  ros__parameters:\n    homography: {H.ravel().tolist()}\n"
    ),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_homography_is_read_from(name, tmp_path) -> None:
    MATRICES[name](tmp_path / name)
    loaded = read_registration(tmp_path / name)
    assert isinstance(loaded.transform, Homography)
    assert np.allclose(loaded.transform.matrix, H, rtol=1e-6)
    if name != "dump.yaml":
        assert "infrared pixels to visible pixels" in loaded.convention


def camchain(first: str, second: str) -> str:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = R, T
    cameras = [
        KALIBR.format(number=0, coefficients=list(D[:4]), model="radtan", topic=first),
        KALIBR.format(number=1, coefficients=list(FISHEYE), model="equidistant", topic=second),
    ]
    rows = "".join(f"  - {row}\n" for row in matrix.tolist())
    return cameras[0] + cameras[1] + "  T_cn_cnm1:\n" + rows


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("/rgb/image_raw", "/thermal/image_raw", "from cam0 (/rgb"),
        ("/left", "/right", "cam0 is taken for the visible camera"),
    ],
)
def test_a_camchain_whose_first_camera_is_visible_is_read(first, second, said, tmp_path) -> None:
    (tmp_path / "camchain.yaml").write_text(camchain(first, second))
    loaded = read_registration(tmp_path / "camchain.yaml")
    assert isinstance(loaded.transform, CameraRig)
    assert loaded.transform.visible == PINHOLE_4
    assert loaded.transform.infrared == EQUIDISTANT
    assert np.allclose(loaded.transform.infrared_from_visible.rotation, R)
    assert np.allclose(loaded.transform.infrared_from_visible.translation, T)
    assert said in loaded.convention


def test_a_camchain_whose_first_camera_is_infrared_is_inverted(tmp_path) -> None:
    (tmp_path / "c.yaml").write_text(camchain("/lwir/image", "/color/image"))
    loaded = read_registration(tmp_path / "c.yaml")
    assert isinstance(loaded.transform, CameraRig)
    assert loaded.transform.infrared == PINHOLE_4
    assert np.allclose(loaded.transform.infrared_from_visible.translation, -R.T @ T)
    assert "inverted" in loaded.convention


def test_a_camchain_of_two_cameras_of_one_kind_is_refused(tmp_path) -> None:
    (tmp_path / "c.yaml").write_text(camchain("/thermal_left/image", "/thermal_right/image"))
    with pytest.raises(InputError, match="named like infrared cameras; rename one"):
        read_registration(tmp_path / "c.yaml")


def test_a_camchain_that_leaves_a_number_out_is_refused_with_what_it_holds(tmp_path) -> None:
    text = camchain("/rgb/image_raw", "/thermal/image_raw").replace("cam1:", "cam2:")
    (tmp_path / "chain.yaml").write_text(text)
    with pytest.raises(InputError, match="the camchain holds cam0, cam2; give one of cam0 and"):
        load_registration(tmp_path / "chain.yaml")


def test_opencvs_stereo_calibration_is_a_rig(tmp_path) -> None:
    matrices = {"K1": K, "D1": np.array([D]), "K2": K, "D2": np.array([D]), "R": R, "T": T}
    storage(tmp_path / "s.yaml", image_width=320, image_height=240, **matrices)
    loaded = read_registration(tmp_path / "s.yaml")
    assert isinstance(loaded.transform, CameraRig)
    assert loaded.transform.visible == CAMERA
    assert np.allclose(loaded.transform.infrared_from_visible.translation, T)
    assert "first camera is taken for the visible one" in loaded.convention


def quaternion(rotation: np.ndarray) -> list[float]:
    axis = cv2.Rodrigues(rotation)[0].ravel()
    angle = np.linalg.norm(axis)
    return [*(axis / angle * np.sin(angle / 2)), float(np.cos(angle / 2))]


def tf(parent: str, child: str, rotation: np.ndarray, translation: np.ndarray) -> str:
    x, y, z = translation
    qx, qy, qz, qw = quaternion(rotation)
    return (
        f"transforms:\n- header:\n    frame_id: {parent}\n  child_frame_id: {child}\n"
        f"  transform:\n    translation:\n      x: {x}\n      y: {y}\n      z: {z}\n"
        f"    rotation:\n      x: {qx}\n      y: {qy}\n      z: {qz}\n      w: {qw}\n---\n"
    )


POSES = {
    "rotation and translation": (json.dumps({"rotation": R.tolist(), "translation": list(T)}), ""),
    "flat rotation": (json.dumps({"rotation": R.ravel().tolist(), "translation": list(T)}), ""),
    "quaternion by names": (
        "translation: {x: 0.1, y: -0.02, z: 0.005}\nquaternion: "
        + json.dumps(dict(zip("xyzw", quaternion(R), strict=True))),
        "",
    ),
    "R and T": (json.dumps({"R": R.tolist(), "T": T.tolist()}), "first camera"),
    "rvec and tvec": (
        json.dumps({"rvec": cv2.Rodrigues(R)[0].ravel().tolist(), "tvec": T.tolist()}),
        "visible camera to the infrared",
    ),
    "TF, visible in infrared": (tf("thermal_optical", "rgb_optical", R, T), "rgb_optical to"),
    "TF, infrared in visible": (
        tf("camera_color_optical_frame", "boson_frame", R.T, -R.T @ T),
        "inverted",
    ),
}


@pytest.mark.parametrize("name", POSES)
def test_a_pose_is_read_with_its_convention_from(name, tmp_path) -> None:
    text, said = POSES[name]
    save_camera_info(tmp_path / "c.yaml", CAMERA, "c")
    (tmp_path / "p.yaml").write_text(text)
    rig, conventions = read_rig(tmp_path / "c.yaml", tmp_path / "c.yaml", tmp_path / "p.yaml")
    assert np.allclose(rig.infrared_from_visible.rotation, R)
    assert np.allclose(rig.infrared_from_visible.translation, T)
    assert said in " ".join(conventions)


def test_a_pose_of_opencv_storage_is_read(tmp_path) -> None:
    save_camera_info(tmp_path / "c.yaml", CAMERA, "c")
    storage(tmp_path / "p.yaml", rotation=R, translation=T)
    rig = load_rig(tmp_path / "c.yaml", tmp_path / "c.yaml", tmp_path / "p.yaml")
    assert np.allclose(rig.infrared_from_visible.translation, T)


def test_the_tool_says_the_convention(run_tool, tmp_path) -> None:
    for name in ("v.png", "i.png"):
        assert cv2.imwrite(str(tmp_path / name), np.full((240, 320, 3), 90, np.uint8))
    np.savetxt(tmp_path / "h.csv", np.eye(3), delimiter=",")
    status, _, errors = run_tool(
        *("fuse", tmp_path / "v.png", tmp_path / "i.png", "-o", tmp_path / "o.png"),
        *("--registration", tmp_path / "h.csv"),
    )
    assert status == 0
    assert "h.csv: a 3x3 matrix, taken for one from infrared pixels to visible pixels" in errors


REFUSED = {
    "omni": (CAMODOCAL.replace("PINHOLE", "MEI"), "camera model 'MEI' is not supported"),
    "no size": (json.dumps({"K": K.ravel().tolist()}), "image_width"),
    "words": (json.dumps({**FLAT, "fx": "wide"}), "to float: .wide"),
    "nothing": ("a: 1\n", "camera_matrix"),
    "distortion by another name": (
        json.dumps({**FLAT, "distortion": None, "RadialDistortion": [-0.36, 0.116]}),
        "holds 'RadialDistortion', which may be the distortion",
    ),
    "distortion by another name beside a matrix": (
        json.dumps({"image_size": [320, 240], "K": K.tolist(), "lens_coefs": [-0.36, 0.116]}),
        "holds 'lens_coefs', which may be the distortion",
    ),
    "other XML": ("<?xml version='1.0'?><html></html>", "no XML of OpenCV"),
}


def test_three_radial_coefficients_are_radial(tmp_path) -> None:
    """Without p1 and p2 the third one is k3, not p1."""
    flat = {key: value for key, value in FLAT.items() if key in ("fx", "fy", "cx", "cy")}
    radial = {**flat, "width": 320, "height": 240, "k1": -0.36, "k2": 0.116, "k3": 0.02}
    (tmp_path / "c.json").write_text(json.dumps(radial))
    camera = read_camera_info(tmp_path / "c.json")[0]
    assert list(camera.distortion) == [-0.36, 0.116, 0.0, 0.0, 0.02]


@pytest.mark.parametrize("name", ["dist_coeff", "distCoeff", "distortionCoefficients"])
def test_distortion_is_read_by_whatever_name_it_has(name, tmp_path) -> None:
    content = {"image_size": [320, 240], "camera_matrix": K.tolist(), name: [list(D)]}
    (tmp_path / "c.json").write_text(json.dumps(content))
    assert list(read_camera_info(tmp_path / "c.json")[0].distortion) == list(D)


@pytest.mark.parametrize("name", REFUSED)
def test_a_camera_that_cannot_be_used_is_refused(name, tmp_path) -> None:
    text, reason = REFUSED[name]
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_camera_info(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (tf("left", "right", R, T), "0 of its transforms"),
        (json.dumps({"R": R.tolist(), "T": [100.0, 2.0, 1.0]}), "in meters"),
        (json.dumps({"rotation": [1, 0], "translation": [0, 0, 0]}), "9 numbers"),
    ],
)
def test_a_pose_that_cannot_be_used_is_refused(text, reason, tmp_path) -> None:
    save_camera_info(tmp_path / "c.yaml", CAMERA, "c")
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=reason):
        load_rig(tmp_path / "c.yaml", tmp_path / "c.yaml", tmp_path / "p.yaml")


def test_damaged_calibration_files_raise_nothing_but_a_sentence(tmp_path) -> None:
    rng = np.random.default_rng(0)
    opencv(tmp_path / "s.xml")
    texts = [camchain("/rgb", "/ir"), CAMODOCAL, PARAMETERS, (tmp_path / "s.xml").read_text()]
    path = tmp_path / "d.yaml"
    for text in texts:
        content = text.encode()
        for _ in range(60):
            damaged = bytearray(content)
            for at in rng.integers(0, len(content), 3):
                damaged[at] = int(rng.integers(0, 256))
            path.write_bytes(damaged[: int(rng.integers(1, len(content) + 1))])
            for load in (read_camera_info, load_registration):
                with contextlib.suppress(InputError):
                    load(path)
