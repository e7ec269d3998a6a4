"""What cannot work is refused in one sentence that names it, before hours are spent on it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lut_fuse_training.__main__ import main
from lut_fuse_training.checkpoint import write_tensors
from lut_fuse_training.data.pairs import in_validation
from lut_fuse_training.losses.lattice_terms import lattice_terms
from tiny_runs import TINY, TINY_NET, distil_command

from lut_fuse_core.errors import LutFuseError
from tests.training.conftest import write_pair


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("student.nodes=1,5,3,3", "student.nodes"),
        ("student.blocks=1", "student.blocks"),
        ("student.pool=0", "pool"),
        ("student.width=0", "width"),
        ("log.every=0", "log.every"),
        ("data.crop=32", "data.crop"),
        ("loss.darker=[{level: 0.3}]", "loss.relative"),
        ("loss.darker=[{level: 70}]", "1 or less"),
        ("loss.darker=[{level: 0.2}, {level: 0.3}]", "must decrease"),
        ("loss.darker=[{}]", "lacks 'loss.darker"),
        ("lattice_rate=fast", "lattice_rate"),
        ("lattice_rate=-1", "lattice_rate"),
        ("encoder_rate=.nan", "encoder_rate"),
        ("schedule.clip=-1", "schedule.clip"),
        ("schedule.final=5", "schedule.final"),
        ("schedule.warmup=-5", "schedule.warmup"),
    ],
)
def test_a_value_that_cannot_work_is_refused(
    pairs_folder: Path, teacher: Path, tmp_path: Path, setting: str, named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = distil_command(pairs_folder, teacher, tmp_path / "run")
    assert main([*command, "--set", setting]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "option",
    [("--seed", "-1"), ("--threads", "-1"), ("--device", "abacus"), ("--set", "network.width=0")],
)
def test_an_option_that_cannot_work_is_refused(
    pairs_folder: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    command = ["teacher", "--data", str(pairs_folder), "--out", str(tmp_path / "run")]
    assert main([*command, "--steps", "1", *TINY, *TINY_NET, *option]) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("minutes", ["inf", "nan", "-1"])
def test_a_budget_without_end_is_refused(pairs_folder: Path, tmp_path: Path, minutes: str) -> None:
    command = ["teacher", "--data", str(pairs_folder), "--out", str(tmp_path / "run")]
    assert main([*command, *TINY, "--minutes", minutes]) == 2


def test_a_configuration_that_is_no_text_is_refused(pairs_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(bytes(range(128, 256)))
    command = ["teacher", "--data", str(pairs_folder), "--out", str(tmp_path / "run")]
    assert main([*command, "--steps", "1", "--config", str(tmp_path / "c.yaml")]) == 2


def test_paths_are_taken_as_they_are(
    pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("2025-09-01", "20250901", "run #2", "null"):
        command = distil_command(pairs_folder, Path(name), tmp_path / "run")
        assert main(command) == 2
        assert f"no teacher {name};" in capsys.readouterr().err


def test_an_mm_net_of_another_version_is_refused(
    pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for structure in ({"width": 8}, {"color": 3}):
        write_tensors({"mm_net": structure, "state": {}}, tmp_path / "mm_net.pt")
        assert main(distil_command(pairs_folder, tmp_path / "mm_net.pt", tmp_path / "run")) == 2
        assert "another version" in capsys.readouterr().err


def test_pairs_that_cannot_be_used_are_named_by_every_command(
    teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs"
    for seed in range(8):
        write_pair(pairs, f"pair{seed}", seed)
    (pairs / "visible" / "pair0.png").write_bytes(b"no image")
    (pairs / "infrared" / "pair1.png").unlink()
    data = ["--data", str(pairs), "--quiet"]
    model = tmp_path / "q.safetensors"
    tables = ["--format", "json", "--set", "student.nodes=3,3,3,2"]
    for command in (
        ["teacher", *data, "--out", str(tmp_path / "t"), "--steps", "1", *TINY, *TINY_NET],
        ["fuse", *data, "--teacher", str(teacher), "--out", str(tmp_path / "f")],
        ["quantize", *data, "--teacher", str(teacher), "--out", str(model), *tables],
    ):
        capsys.readouterr()
        assert main(command) == 0
        printed = capsys.readouterr()
        assert "left out pair0" in printed.err
        assert "left out pair1: it has no partner" in printed.err
    assert json.loads(printed.out)["rows"]


def test_one_pair_that_falls_to_validation_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path / "pairs", "alone", 0)
    command = ["teacher", "--data", str(tmp_path / "pairs"), "--out", str(tmp_path / "run")]
    everything = ["--set", "data.validation_share=0.999"]
    assert main([*command, "--steps", "1", *TINY, *everything]) == 2
    assert "lower data.validation_share" in capsys.readouterr().err


def test_what_is_measured_is_looked_for_before_anything_is_trained(
    pairs_folder: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ablate = ["ablate", *distil_command(pairs_folder, teacher, tmp_path / "run", steps=1)[1:]]
    assert main([*ablate, "--test", "nowhere"]) == 2
    assert "no folder nowhere" in capsys.readouterr().err
    place = ablate.index("--teacher")
    assert main(ablate[:place] + ablate[place + 2 :]) == 2
    assert "give --teacher" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    model = tmp_path / "q.safetensors"
    quantize = ["quantize", "--teacher", str(teacher), "--data", str(pairs_folder)]
    assert main([*quantize, "--out", str(model), "--distilled", "nowhere.safetensors"]) == 2
    assert not model.exists()


def test_a_teacher_without_any_score_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(8):
        write_pair(tmp_path / "pairs", f"pair{seed}", seed)
        black = np.zeros((64, 72), np.uint8)
        (tmp_path / "black").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "black" / f"pair{seed}.png"), black)

    class Black(torch.nn.Module):
        def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
            return infrared * 0

    torch.jit.script(Black()).save(str(tmp_path / "black.pt"))
    command = distil_command(tmp_path / "pairs", tmp_path / "black.pt", tmp_path / "run", steps=1)
    assert main(command) == 0
    assert "teacher 0.000" in capsys.readouterr().out


def test_the_smallest_lattice_is_smooth() -> None:
    terms = lattice_terms([torch.rand(2, 2, 2, 2)], 1.0, 1.0)
    assert float(terms["smoothness"].value) == 0


def without_pytorch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where PyTorch is not installed."""
    (folder / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    source = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import lut_fuse_training.__main__ as m; "
    )
    return subprocess.run(
        [sys.executable, "-c", source + f"sys.exit(m.main({list(arguments)!r}))"],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip


def test_without_pytorch_the_way_to_it_is_named(tmp_path: Path) -> None:
    done = without_pytorch(tmp_path, "fuse", "--teacher", "t", "--data", "d", "--out", "o")
    assert done.returncode == 2
    assert "pip install '.[training]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_no_pytorch(tmp_path: Path) -> None:
    done = without_pytorch(tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    assert "distil" in done.stdout


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises((LutFuseError, OSError), match=r"disk full|too large"):
            write_tensors({"much": torch.zeros(100000)}, tmp_path / "t.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_no_memory_is_said_in_a_sentence(
    pairs_folder: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = distil_command(pairs_folder, teacher, tmp_path / "run")
    assert main([*command, "--set", "student.width=1000000000000"]) == 1
    assert "no memory left" in capsys.readouterr().err


def test_the_images_to_be_fused_are_not_overwritten(
    pairs_folder: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (pairs_folder / "visible").iterdir()}
    command = ["fuse", "--teacher", str(teacher), "--data", str(pairs_folder)]
    assert main([*command, "--out", str(pairs_folder / "visible")]) == 2
    assert "choose another output" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (pairs_folder / "visible").iterdir()}


def test_a_name_that_is_no_text_falls_to_training_or_validation() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    assert in_validation(name, 0.5) == in_validation(name, 0.5)
    assert in_validation("\u00e9", 1.0)


def test_a_teachers_run_is_no_run_to_export(
    teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--run", str(teacher.parent)]) == 2
    assert "give the --out folder of 'distil'" in capsys.readouterr().err
