"""The model file: what is saved is what is loaded, and nothing damaged is ever loaded."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import rewrite
from safetensors.numpy import save_file

from lut_fuse_core import FusionModel, ModelError, load_model, save_model
from lut_fuse_core.model.file import MODELS_FOLDER
from lut_fuse_core.model.fusion_model import GradientSpec


@pytest.fixture
def saved(tmp_path: Path, model: FusionModel) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    return path


@pytest.mark.parametrize("per_frame", [False, True])
def test_a_saved_model_loads_with_the_same_numbers_and_settings(
    tmp_path: Path, make_model: Callable[..., FusionModel], per_frame: bool
) -> None:
    model = make_model(per_frame=per_frame, unshuffle=2, pool=2, inputs="rgb_infrared")
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(loaded.tensors()[name], tensor)
    assert (loaded.axes, loaded.gradient) == (model.axes, model.gradient)
    assert loaded.encoder.stride == 4
    assert loaded.encoder.inputs == "rgb_infrared"
    assert loaded.time_stable is not per_frame
    assert loaded.provenance == model.provenance


def test_the_default_model_loads_by_name_and_is_under_a_megabyte() -> None:
    assert load_model("default").time_stable
    assert (MODELS_FOLDER / "default.safetensors").stat().st_size < 1_000_000


def test_a_missing_model_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ModelError, match=r"no model file 'absent'.*default"):
        load_model("absent")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="may be truncated, copy it again"):
        load_model(saved)


def test_one_flipped_bit_in_the_numbers_is_refused(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-100] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ModelError, match="altered after export"):
        load_model(saved)


def test_other_tensors_under_an_old_hash_are_refused(saved: Path) -> None:
    rewrite(saved, tensors=lambda t: t.update(lattices=t["lattices"] * 2), rehash=False)
    with pytest.raises(ModelError, match="altered after export"):
        load_model(saved)


def test_a_newer_format_is_refused_with_the_advice_to_upgrade(saved: Path) -> None:
    rewrite(saved, header=lambda h: h.update(format=99))
    with pytest.raises(ModelError, match=r"format 99.*upgrade"):
        load_model(saved)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_format_from_before_the_first_release_is_refused(saved: Path, version: int) -> None:
    rewrite(saved, header=lambda h: h.update(format=version))
    advice = "make it again with 'lut-fuse model import', or train it again"
    with pytest.raises(ModelError, match=f"format {version}, .*{advice}"):
        load_model(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(saved: Path, value: float) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        tensors["encoder.1.bias"] = tensors["encoder.1.bias"].copy()
        tensors["encoder.1.bias"][0] = value

    rewrite(saved, tensors=spoil)
    with pytest.raises(ModelError, match=r"encoder\.1\.bias.*not finite"):
        load_model(saved)


def test_a_lattice_that_does_not_fit_its_axes_is_refused(saved: Path) -> None:
    rewrite(saved, tensors=lambda t: t.update(lattices=t["lattices"][:, :-1].copy()))
    with pytest.raises(ModelError, match="the axes say"):
        load_model(saved)


@pytest.mark.parametrize(
    "damage",
    [
        lambda h: h.pop("axes"),
        lambda h: h["axes"].pop(),
        lambda h: h["gradient"].update(unknown=1),
        lambda h: h["gradient"].update(scale="wide"),
        lambda h: h["encoder"].update(pool=0),
        lambda h: h["encoder"].update(pool=2.0),
        lambda h: h["encoder"].update(pool=True),
        lambda h: h["encoder"].update(skip=None),
        lambda h: h["encoder"].update(slope=1e308),
        lambda h: h["encoder"].update(input_scale=1e308),
        lambda h: h["gradient"].update(scale=1e308),
        lambda h: h["axes"][0].update(high=1e308),
        lambda h: h["axes"][0].update(nodes=float(h["axes"][0]["nodes"])),
        lambda h: h["axes"][0].update(low=0, high=1e-300),
        lambda h: h.update(provenance=3),
        lambda h: h.pop("format"),
    ],
)
def test_a_damaged_header_is_refused(saved: Path, damage: Callable[[dict[str, Any]], None]) -> None:
    rewrite(saved, header=damage)
    with pytest.raises(ModelError):
        load_model(saved)


def test_weights_whose_context_may_overflow_are_refused(model: FusionModel) -> None:
    blocks = tuple(
        replace(block, weight=block.weight * np.float32(1e12)) for block in model.encoder.blocks
    )
    with pytest.raises(ModelError, match="may overflow"):
        replace(model, encoder=replace(model.encoder, blocks=blocks))


def test_a_missing_tensor_is_refused(saved: Path) -> None:
    rewrite(saved, tensors=lambda t: t.pop("encoder.0.bias"))
    with pytest.raises(ModelError, match="damaged header"):
        load_model(saved)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="not a LUT-Fuse model"):
        load_model(tmp_path / "other.safetensors")


def test_a_pickle_is_refused_without_being_run(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(ModelError):
        load_model(path)
    assert not (tmp_path / "ran").exists()


def test_settings_that_make_no_sense_cannot_become_a_model() -> None:
    with pytest.raises(ModelError, match="must be positive"):
        GradientSpec(scale=-1)


def test_a_full_disk_leaves_the_old_model_and_no_litter(
    saved: Path, model: FusionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def write_half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space left"):
        save_model(model, saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_kill_in_the_middle_of_writing_leaves_the_old_model(saved: Path) -> None:
    program = (
        "import sys, time\n"
        "from lut_fuse_core.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as path:\n"
        "    path.write_bytes(b'half of a model')\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
    )
    before = saved.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", program, str(saved)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert saved.read_bytes() == before
    load_model(saved)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_numbers_that_no_model_has_are_refused(tmp_path: Path, kind: str) -> None:
    size = 2 if kind == "BF16" else 1
    header = json.dumps({"x": {"dtype": kind, "shape": [4], "data_offsets": [0, 4 * size]}})
    content = len(header).to_bytes(8, "little") + header.encode() + bytes(4 * size)
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ModelError):
        load_model(tmp_path / "m.safetensors")
