"""Runs that are killed, interrupted, resumed, or told something else in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lut_fuse_training.__main__ import main
from lut_fuse_training.checkpoint import CHECKPOINT, read_tensors
from lut_fuse_training.data.batches import Batch
from lut_fuse_training.losses.term import Terms
from lut_fuse_training.recipes.distil import DistilJob
from tiny_runs import TINY, TINY_NET, distil_command


class PowerGoneError(Exception):
    pass


def kill_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    """Make the distillation end in the middle of a step, as if the power had gone."""
    original, calls = DistilJob.losses, []

    def losses(job: DistilJob, batch: Batch, rng: np.random.Generator) -> Terms:
        calls.append(batch)
        if len(calls) > steps:
            raise PowerGoneError
        return original(job, batch, rng)

    patch.setattr(DistilJob, "losses", losses)


def test_a_killed_and_resumed_run_ends_with_the_same_numbers(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    command = distil_command(pairs_folder, teacher, tmp_path)
    command += ["--set", "log.checkpoint_seconds=0"]
    with monkeypatch.context() as patch:
        kill_after(3, patch)
        with pytest.raises(PowerGoneError):
            main(command)
    assert read_tensors(tmp_path / CHECKPOINT)["step"] == 3
    assert main([*command, "--resume"]) == 0
    whole, resumed = (read_tensors(run / CHECKPOINT) for run in (distilled, tmp_path))
    for name, tensor in whole["module"].items():
        assert torch.equal(tensor, resumed["module"][name]), name
    steps = [json.loads(x)["step"] for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 6]


def test_a_run_is_not_overwritten_by_accident(
    pairs_folder: Path, teacher: Path, distilled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(distil_command(pairs_folder, teacher, distilled)) == 2
    assert "--resume" in capsys.readouterr().err


def test_a_changed_configuration_does_not_resume(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in (CHECKPOINT, "config.yaml"):
        shutil.copy(distilled / name, tmp_path / name)
    command = distil_command(pairs_folder, teacher, tmp_path)
    for change in ("width=8", "pool=2", "gradient_range=200", "skip=false"):
        assert main([*command, "--resume", "--set", f"student.{change}"]) == 2
        assert f"another structure ({change.split('=')[0]} " in capsys.readouterr().err
    assert main(["export", "--run", str(tmp_path)]) == 0  # what was there is unharmed


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    pairs_folder: Path, tmp_path: Path
) -> None:
    command = ["teacher", "--data", str(pairs_folder), "--out", str(tmp_path), "--steps", "1"]
    assert main([*command, *TINY, *TINY_NET, "--resume"]) == 0


def test_another_learning_rate_holds_from_the_resumption_on(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path
) -> None:
    shutil.copytree(distilled, tmp_path / "run")
    command = [*distil_command(pairs_folder, teacher, tmp_path / "run", steps=8), "--resume"]
    assert main([*command, "--set", "lattice_rate=0", "--set", "encoder_rate=1e-3"]) == 0
    before, after = (read_tensors(run / CHECKPOINT) for run in (distilled, tmp_path / "run"))
    assert after["step"] == 8
    assert torch.equal(before["module"]["lattice"], after["module"]["lattice"])
    assert not torch.equal(before["module"]["blocks.0.weight"], after["module"]["blocks.0.weight"])


def test_a_run_goes_on_in_another_precision(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path
) -> None:
    shutil.copytree(distilled, tmp_path / "run")
    command = distil_command(pairs_folder, teacher, tmp_path / "run", steps=8)
    assert main([*command, "--resume", "--precision", "float16"]) == 0
    command[command.index("--steps") + 1] = "9"
    assert main([*command, "--resume"]) == 0


@pytest.mark.parametrize("rate", ["1e20", "1e38"])
def test_a_run_that_diverges_says_so_and_keeps_its_last_good_checkpoint(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path, rate: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(distilled, tmp_path / "run")
    command = [*distil_command(pairs_folder, teacher, tmp_path / "run", steps=40), "--resume"]
    wild = ["--set", f"lattice_rate={rate}", "--set", f"encoder_rate={rate}"]
    wild += ["--set", "log.checkpoint_seconds=0", "--set", "schedule.warmup=0"]
    assert main([*command, *wild]) == 1
    assert "no longer finite at step" in capsys.readouterr().err
    command[command.index("--steps") + 1] = "60"
    assert main(command) in (0, 1)
    weights = read_tensors(tmp_path / "run" / CHECKPOINT)["module"]
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_an_interrupted_run_saves_what_it_has(
    pairs_folder: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = DistilJob.losses, []

    def losses(job: DistilJob, batch: Batch, rng: np.random.Generator) -> Terms:
        calls.append(batch)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(job, batch, rng)

    monkeypatch.setattr(DistilJob, "losses", losses)
    assert main(distil_command(pairs_folder, teacher, tmp_path)) == 130
    assert read_tensors(tmp_path / CHECKPOINT)["step"] == 3


def test_a_log_line_truncated_by_a_kill_does_not_prevent_resuming(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path
) -> None:
    shutil.copytree(distilled, tmp_path / "run")
    with (tmp_path / "run" / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "valida')
    command = distil_command(pairs_folder, teacher, tmp_path / "run", steps=7)
    assert main([*command, "--resume"]) == 0
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6, 6, 7]


def test_a_teacher_goes_on_from_another_of_its_own_structure(
    pairs_folder: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["teacher", "--data", str(pairs_folder), "--steps", "1", *TINY]
    command += ["--set", f"start_from={teacher}", "--out", str(tmp_path)]
    assert main([*command, "--set", "network.width=32"]) == 2
    assert "its own structure" in capsys.readouterr().err
    assert main(command) == 0
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["network"]["width"] == 8
