"""Files of thermal cameras as infrared input."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from thermal_files import degrees, fff, hikmicro, in_jpeg, irg, is2, jpeg, photo

from lut_fuse_core.errors import InputError
from lut_fuse_core.files.one_file import placed
from lut_fuse_core.io.image_files import infrared_files, read_both, read_infrared
from lut_fuse_core.io.thermal import flir
from lut_fuse_core.io.thermal.dji import LEAST_PYTHON

RAINBOW = cv2.COLORMAP_RAINBOW


def preview() -> np.ndarray:
    """What the camera shows: a palette, in which luma says nothing."""
    gray = cv2.normalize(degrees(), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(gray, RAINBOW), cv2.COLOR_BGR2RGB)


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


FLIR = {
    "counts": {},
    "counts in a PNG with swapped bytes": {"png": True},
    "directory elsewhere": {"directory": 100},
}


@pytest.mark.parametrize("kind", FLIR)
def test_a_flir_radiometric_jpeg_gives_its_temperatures(kind, tmp_path) -> None:
    pytest.importorskip("flyr")
    path = write(tmp_path, "i.jpg", in_jpeg(fff(degrees(), **FLIR[kind]), preview()))
    assert np.abs(read_infrared(path) - degrees()).max() < 0.06


def test_a_flir_file_of_one_frame_gives_its_temperatures(tmp_path) -> None:
    pytest.importorskip("flyr")
    for name in ("i.fff", "i.seq"):
        path = write(tmp_path, name, fff(degrees()))
        assert np.abs(read_infrared(path) - degrees()).max() < 0.06


def test_the_frames_of_a_long_recording_are_found_in_one_search_for_each_mark() -> None:
    class Searched(bytes):
        """Counts how many bytes are searched."""

        looked_at = 0

        def find(self, mark: bytes, start: int = 0) -> int:  # type: ignore[override]
            found = super().find(mark, start)
            Searched.looked_at += (found if found >= 0 else len(self)) - start
            return found

    frames = 50
    recording = Searched(fff(degrees()) * frames)
    assert len(flir._frame_starts(recording)) == frames
    assert Searched.looked_at <= len(flir.FILE_MARKS) * len(recording)


def test_a_flir_file_compressed_with_jpeg_ls_gives_its_temperatures(tmp_path) -> None:
    pytest.importorskip("flyr")
    pytest.importorskip("imagecodecs")
    path = write(tmp_path, "i.csq", fff(degrees(), jpeg_ls=True))
    assert np.abs(read_infrared(path) - degrees()).max() < 0.06


def test_a_damaged_photo_in_a_flir_file_is_no_photo(tmp_path, capfd) -> None:
    pytest.importorskip("flyr")
    data = bytearray(jpeg(photo()))
    data[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xd9"  # the end of an image
    flir = fff(degrees(), bytes(data), (1.5, 14, -6))
    source = write(tmp_path, "i.jpg", in_jpeg(flir, preview()))
    capfd.readouterr()
    with pytest.raises(InputError, match=r"i.jpg: its photo cannot be used: it is damaged"):
        read_both(source)
    assert capfd.readouterr().err == ""


def test_a_flir_sequence_is_no_single_image(tmp_path) -> None:
    pytest.importorskip("flyr")
    with pytest.raises(InputError, match=r"3 frames.*video"):
        read_infrared(write(tmp_path, "i.seq", 3 * fff(degrees())))


@pytest.mark.parametrize("codec", [".jpg", ".png"])
def test_the_photo_in_a_flir_file_has_its_own_colors(codec, tmp_path) -> None:
    pytest.importorskip("flyr")
    image = np.ascontiguousarray(photo()[..., ::-1])
    if codec == ".png":  # which FLIR's cameras fill with Y, Cb, Cr
        y, cr, cb = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb))
        image = cv2.merge([cr, cb, y])
    data = cv2.imencode(codec, image)[1].tobytes()
    path = write(tmp_path, "i.jpg", in_jpeg(fff(degrees(), data), preview()))
    both = read_both(path)
    assert np.abs(both.visible.astype(int) - photo()).mean() < 3


@pytest.mark.parametrize("zoom", [1.0, 1.6])
def test_a_flir_file_says_where_the_image_lies_in_the_photo(zoom, tmp_path) -> None:
    pytest.importorskip("flyr")
    flir = fff(degrees(), jpeg(photo()), (1.5, 14, -6))
    both = read_both(write(tmp_path, "i.jpg", in_jpeg(flir, preview(), zoom)))
    matrix = np.asarray(placed(both).matrix)
    scale = 240 / 80 / 1.5 * zoom
    middle = matrix @ np.array([39.5, 29.5, 1.0])
    assert matrix[0, 0] == pytest.approx(scale)
    assert middle[:2] == pytest.approx([119.5 + 14, 89.5 - 6])


def test_one_flir_file_becomes_a_registered_fused_image(run_tool, tmp_path) -> None:
    pytest.importorskip("flyr")
    flir = fff(degrees(), jpeg(photo()), (1.5, 14, -6))
    source = write(tmp_path, "IR_0001.jpg", in_jpeg(flir, preview()))
    status, _, errors = run_tool("fuse", source, "-o", tmp_path / "out.png", "--feather", 0)
    assert (status, errors) == (0, "")
    fused = cv2.imread(str(tmp_path / "out.png"))[..., ::-1].astype(int)
    changed = np.abs(fused - photo()).max(axis=2) > 12
    y, x = np.nonzero(changed)
    assert fused.shape == photo().shape
    assert x.min() >= 119 + 14 - 80 - 1
    assert x.max() <= 120 + 14 + 80 + 1
    assert y.max() <= 90 - 6 + 60 + 1


def test_a_folder_of_such_files_is_fused_and_the_others_are_named(run_tool, tmp_path) -> None:
    pytest.importorskip("flyr")
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder, "a.jpg", in_jpeg(fff(degrees(), jpeg(photo()), (1.5, 0, 0)), preview()))
    write(folder, "b.jpg", in_jpeg(fff(degrees()), preview()))
    write(folder, "c.jpg", jpeg(photo()))
    status, _, errors = run_tool("fuse", folder, "-o", tmp_path / "out")
    assert status == 1
    assert "b.jpg: it holds no photo" in errors
    assert "c.jpg: it is no file of a thermal camera" in errors
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_of_two_files_of_one_stem_none_overwrites_the_other(run_tool, tmp_path) -> None:
    pytest.importorskip("flyr")
    folder = tmp_path / "in"
    folder.mkdir()
    content = in_jpeg(fff(degrees(), jpeg(photo()), (1.5, 0, 0)), preview())
    for name in ("a.jpg", "a.jpeg", "b.jpg"):
        write(folder, name, content)
    status, out, errors = run_tool("fuse", folder, "-o", tmp_path / "out", "--json")
    assert (status, json.loads(out)["pairs"]) == (1, 1)
    assert "a.jpeg and a.jpg in" in errors
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


def test_an_ordinary_picture_alone_is_refused(run_tool, tmp_path) -> None:
    source = write(tmp_path, "i.jpg", jpeg(photo()))
    status, _, errors = run_tool("fuse", source, "-o", tmp_path / "o.png")
    assert status == 2
    assert "VISIBLE INFRARED" in errors


def test_a_fluke_file_gives_its_temperatures_and_its_photo(tmp_path, monkeypatch) -> None:
    pytest.importorskip("fluke_thermal_reader")
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "i.is2", is2(degrees(), photo()))
    both = read_both(path)
    assert np.abs(both.infrared - degrees()).max() < 0.1
    assert np.abs(both.visible.astype(int) - photo()).mean() < 3
    assert [path.name for path in tmp_path.iterdir()] == ["i.is2"]


def test_an_infiray_file_gives_its_temperatures_and_its_photo(tmp_path) -> None:
    pytest.importorskip("infiray_irg")
    both = read_both(write(tmp_path, "i.irg", irg(degrees(), photo(80, 60))))
    assert np.abs(both.infrared - degrees()).max() < 0.06
    assert np.abs(both.visible.astype(int) - photo(80, 60)).mean() < 4


@pytest.mark.parametrize("mode", [0, 2])
def test_a_telops_recording_of_one_frame_is_read(mode, tmp_path) -> None:
    fasthcc = pytest.importorskip("fasthcc")
    path = tmp_path / "i.hcc"
    kelvin = (degrees() + 273.15).astype(np.float32)
    frames = kelvin if mode == 2 else np.rint(100 * kelvin).astype(np.uint16)
    fasthcc.write_hcc(path, frames[None], calibration_mode=mode, data_offset=250.0, data_exp=-8)
    expected, tolerance = (kelvin, 0.01) if mode == 2 else (frames, 0)
    assert np.abs(read_infrared(path).astype(float) - expected).max() <= tolerance


def test_a_telops_recording_of_several_frames_is_no_single_image(tmp_path) -> None:
    fasthcc = pytest.importorskip("fasthcc")
    frames = np.stack([np.full((60, 80), 9000, np.uint16)] * 2)
    fasthcc.write_hcc(tmp_path / "i.hcc", frames)
    with pytest.raises(InputError, match=r"several frames.*video"):
        read_infrared(tmp_path / "i.hcc")


def test_a_hikmicro_jpeg_gives_its_counts(tmp_path) -> None:
    counts = np.rint(100 * degrees() + 8000).astype(np.uint16)
    path = write(tmp_path, "i.jpeg", hikmicro(counts, preview()))
    assert np.array_equal(read_infrared(path), counts)


def dji(raw: bytes) -> bytes:
    """A JPEG of DJI's with counts in its segments."""
    segments = b"\xff\xe1\0\x10Exif\0\0DJI\0\0\0\0\0"
    for at in range(0, len(raw), 60_000):
        piece = raw[at : at + 60_000]
        segments += b"\xff\xe3" + (len(piece) + 2).to_bytes(2, "big") + piece
    picture = jpeg(preview())
    return picture[:2] + segments + picture[2:]


@pytest.mark.skipif(sys.version_info >= LEAST_PYTHON, reason="the reader runs on this Python")
def test_a_dji_file_says_which_python_its_reader_needs(tmp_path) -> None:
    path = write(tmp_path, "i.jpg", dji(bytes(100_000)))
    with pytest.raises(InputError, match=r"dji-thermal-cli.*Python 3\.12"):
        read_infrared(path)


@pytest.mark.skipif(sys.version_info < LEAST_PYTHON, reason="the reader needs a later Python")
def test_a_dji_file_that_is_damaged_is_refused(tmp_path) -> None:
    pytest.importorskip("dji_thermal_cli")
    with pytest.raises(InputError, match="DJI"):
        read_infrared(write(tmp_path, "i.jpg", dji(bytes(100_000))))


def test_without_its_reader_a_file_names_the_extra(run_tool, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "flyr", None)
    monkeypatch.setitem(sys.modules, "flyr.thermal", None)
    source = write(tmp_path, "i.jpg", in_jpeg(fff(degrees()), preview()))
    status, _, errors = run_tool("fuse", source, "-o", tmp_path / "o.png")
    assert status != 0
    assert "lut_fuse_ros[thermal]" in errors
    assert len(errors.splitlines()) == 1


def csv(delimiter: str, comma: bool, head: str = "", names: bool = False) -> bytes:
    rows = []
    for number, row in enumerate(degrees().round(2)):
        cells = [f"{value:.2f}".replace(".", ",") if comma else f"{value:.2f}" for value in row]
        rows.append(delimiter.join([f"row {number}", *cells] if names else cells))
    return (head + "\n".join(rows) + "\n").encode()


CSV = {
    "commas": csv(",", False),
    "semicolons and decimal commas": csv(";", True),
    "tabs": csv("\t", False),
    "spaces": csv(" ", False),
    "a head": csv(";", True, "Camera;X\nEmissivity;0,95\n\n"),
    "names of rows": csv(",", False, names=True),
    "numbered columns": csv(",", False, "," + ",".join(map(str, range(80))) + "\n", names=True),
    "UTF-16": csv("\t", True).decode().encode("utf-16"),
    "UTF-16 without a byte-order mark": csv(";", True).decode().encode("utf-16-le"),
    "a byte-order mark": b"\xef\xbb\xbf" + csv(",", False),
    "decimal commas in quotes": re.sub(rb"(\d+,\d+)", rb'"\1"', csv(";", True)).replace(b";", b","),
    "units": re.sub(rb"(\d+\.\d+)", b"\\1 \xb0C", csv(";", False)),
    "exponents": re.sub(rb"(\d+,\d+)", rb"\1E+00", csv(";", True)),
    "bars": csv("|", False),
    "empty lines": csv(",", False).replace(b"\n", b"\n\n"),
}


@pytest.mark.parametrize("kind", CSV)
def test_a_csv_matrix_of_temperatures_is_read(kind, tmp_path) -> None:
    found = read_infrared(write(tmp_path, "i.csv", CSV[kind]))
    assert found.shape == degrees().shape
    assert np.abs(found - degrees()).max() < 0.006


def test_empty_cells_are_not_seen(tmp_path) -> None:
    text = csv(",", False).decode().splitlines()
    text[3] = "," + text[3].partition(",")[2]
    text[4] = "nan," + text[4].partition(",")[2]
    found = read_infrared(write(tmp_path, "i.csv", "\n".join(text).encode()))
    assert np.isnan(found[3, 0])
    assert np.isnan(found[4, 0])
    assert np.isfinite(found).sum() == found.size - 2


def test_a_row_of_which_nothing_is_known_keeps_its_place(tmp_path) -> None:
    text = csv(",", False).decode().splitlines()
    text[0] = text[20] = text[-1] = ",".join(["nan"] * degrees().shape[1])
    found = read_infrared(write(tmp_path, "i.csv", "\n".join(text).encode()))
    assert found.shape == degrees().shape
    assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [0, 20, len(text) - 1]


@pytest.mark.parametrize("first", [0, 100])
def test_an_axis_of_places_is_no_pixel_and_a_drawn_ramp_is(first, tmp_path) -> None:
    rows = csv(";", False).decode().splitlines()
    numbered = [f"{first + len(rows) - at};{row}" for at, row in enumerate(rows)]
    axis = ";" + ";".join(f"{0.5 * at}" for at in range(80))
    found = read_infrared(write(tmp_path, "i.csv", "\n".join([axis, *numbered]).encode()))
    assert np.abs(found - degrees()).max() < 0.006
    ramp = first + np.arange(12 * 20.0).reshape(12, 20)
    np.savetxt(tmp_path / "ramp.csv", ramp, delimiter=",", fmt="%.1f")
    np.testing.assert_array_equal(read_infrared(tmp_path / "ramp.csv"), ramp)


@pytest.mark.parametrize("word", ["*****", "---", "<-20", ">150", "#VALUE!", "OVF"])
def test_a_pixel_out_of_range_is_not_seen_and_its_row_keeps_its_place(word, tmp_path) -> None:
    text = csv(",", False).decode().splitlines()
    text[1] = text[1].partition(",")[0] + f",{word}," + text[1].split(",", 2)[2]
    found = read_infrared(write(tmp_path, "i.csv", "\n".join(text).encode()))
    assert found.shape == degrees().shape
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 1]]


def test_a_word_in_a_row_is_named(tmp_path) -> None:
    text = csv(";", False).decode().splitlines()
    text[1] = text[1].partition(";")[0] + ";hot;" + text[1].split(";", 2)[2]
    with pytest.raises(InputError, match="line 2 holds 'hot', which is no number"):
        read_infrared(write(tmp_path, "i.csv", "\n".join(text).encode()))


def test_decimal_commas_between_commas_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="decimal commas cannot be told from the commas"):
        read_infrared(write(tmp_path, "i.csv", csv(",", True)))


def test_a_csv_of_two_images_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="2 matrices of 80 columns"):
        read_infrared(write(tmp_path, "i.csv", csv(",", False) + b"\n" + csv(",", False)))


@pytest.mark.parametrize("content", [b"x;y;temperature\n1;2;20.5\n", b"\0\1\2" * 50, b"notes\n"])
def test_a_csv_without_a_matrix_is_refused(content, tmp_path) -> None:
    with pytest.raises(InputError, match="no matrix"):
        read_infrared(write(tmp_path, "i.csv", content))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int16, np.float16])
def test_an_npy_matrix_is_read(dtype, tmp_path) -> None:
    np.save(tmp_path / "i.npy", degrees().astype(dtype))
    found = read_infrared(tmp_path / "i.npy")
    assert found.dtype == dtype
    assert np.array_equal(found, degrees().astype(dtype))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((3, 60, 80)), "two dimensions"),
        (np.zeros((60, 80), complex), "not numbers"),
        (np.array([{}], object), "not numbers"),
    ],
)
def test_other_npy_arrays_are_refused(array, reason, tmp_path) -> None:
    np.save(tmp_path / "i.npy", array)
    with pytest.raises(InputError, match=reason):
        read_infrared(tmp_path / "i.npy")


def test_an_npy_file_does_not_get_the_memory_it_announces(tmp_path) -> None:
    np.save(tmp_path / "i.npy", np.zeros((10, 10)))
    data = (tmp_path / "i.npy").read_bytes().replace(b"(10, 10)", b"(9999999, 9999999)")
    with pytest.raises(InputError):
        read_infrared(write(tmp_path, "i.npy", data))


def test_a_folder_prefers_images_over_tables_of_the_same_name(tmp_path) -> None:
    for name in ("a.png", "a.csv", "b.npy", "c.fff"):
        write(tmp_path, name, b"x")
    found = {
        stem: [path.name for path in paths] for stem, paths in infrared_files(tmp_path).items()
    }
    assert found == {"a": ["a.png"], "b": ["b.npy"], "c": ["c.fff"]}


def sample(kind: str) -> tuple[str, bytes]:
    counts = np.rint(100 * degrees() + 8000).astype(np.uint16)
    stream = {
        "FLIR JPEG": lambda: ("i.jpg", in_jpeg(fff(degrees(), jpeg(photo())), preview())),
        "FLIR PNG": lambda: ("i.jpg", in_jpeg(fff(degrees(), png=True), preview())),
        "fff": lambda: ("i.fff", fff(degrees())),
        "csq": lambda: ("i.csq", fff(degrees(), jpeg_ls=True)),
        "is2": lambda: ("i.is2", is2(degrees(), photo())),
        "irg": lambda: ("i.irg", irg(degrees(), photo(80, 60))),
        "hikmicro": lambda: ("i.jpg", hikmicro(counts, preview())),
        "csv": lambda: ("i.csv", csv(";", True)),
    }
    return stream[kind]()


@pytest.mark.parametrize(
    "kind", ["FLIR JPEG", "FLIR PNG", "fff", "csq", "is2", "irg", "hikmicro", "csv"]
)
def test_damaged_thermal_files_raise_nothing_but_a_sentence(kind, tmp_path, monkeypatch) -> None:
    for reader in ("flyr", "imagecodecs", "fluke_thermal_reader", "infiray_irg"):
        pytest.importorskip(reader)
    monkeypatch.chdir(tmp_path)
    name, content = sample(kind)
    rng = np.random.default_rng(2)
    variants = [content[:end] for end in np.linspace(0, len(content) - 1, 25).astype(int)]
    for _ in range(25):
        flipped = bytearray(content)
        for at in rng.integers(0, min(len(content), 4000), 3):
            flipped[at] ^= int(rng.integers(1, 256))
        variants.append(bytes(flipped))
    for variant in variants:
        with contextlib.suppress(InputError):
            assert read_infrared(write(tmp_path, name, variant)).ndim == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
