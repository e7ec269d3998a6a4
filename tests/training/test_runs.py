"""Every training command from the outside, in a tiny configuration on the CPU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from lut_fuse_training.__main__ import main
from lut_fuse_training.checkpoint import CHECKPOINT, read_tensors, write_tensors
from lut_fuse_training.data.pairs import DataConfig, Pair, load_pair
from lut_fuse_training.losses.quality_terms import QualityWeights
from lut_fuse_training.losses.terms import FusionWeights
from lut_fuse_training.recipes.ablate import variants
from lut_fuse_training.recipes.distil_config import DistilConfig
from lut_fuse_training.recipes.train_teacher import TeacherLossConfig, loss_behind
from lut_fuse_training.run.session import synthetic_nights
from random_models import one_lattice
from tiny_runs import TINY, TINY_LUT, TINY_NET, distil_command

from lut_fuse_core import Fuser, load_model
from lut_fuse_core.io.dataset import find_dataset

WITHOUT_TEACHER = ["--set", "loss.intensity=0", "--set", "loss.structure=0"]


def test_a_teacher_run_leaves_network_log_and_report(teacher: Path) -> None:
    report = json.loads((teacher.parent / "report.json").read_text())
    assert report["steps"] == 4
    assert report["validation"]["SSIM"] > 0
    lines = [json.loads(x) for x in (teacher.parent / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 4]
    assert "stability" in lines[0]


def test_a_distilled_model_runs_in_the_core(distilled: Path, rng: np.random.Generator) -> None:
    model = load_model(distilled / "model.safetensors")
    assert model.provenance["steps"] == 6
    assert model.provenance["config"]["student"]["width"] == 4
    assert (distilled / "encoder.onnx").stat().st_size > 100
    assert model.encoder.ranges_known  # ready for int8
    visible = rng.integers(0, 256, (48, 56, 3), np.uint8)
    fused = Fuser(model, "reference").fuse(visible, visible[..., 0])
    assert fused.shape == visible.shape


def test_a_model_says_nothing_about_the_machine_it_was_trained_on(
    distilled: Path, pairs_folder: Path, teacher: Path
) -> None:
    header = (distilled / "model.safetensors").read_bytes()
    for folder in (pairs_folder.parent, teacher.parent, distilled.parent):
        assert str(folder).encode() not in header


def test_a_teacher_can_be_a_folder_of_its_images(
    pairs_folder: Path, teacher: Path, tmp_path: Path
) -> None:
    images = tmp_path / "fused"
    command = ["fuse", "--teacher", str(teacher), "--data", str(pairs_folder), "--quiet"]
    assert main([*command, "--out", str(images)]) == 0
    assert len(list(images.glob("*.png"))) == 8
    assert main(distil_command(pairs_folder, images, tmp_path / "run", steps=2)) == 0
    assert (tmp_path / "run" / "model.safetensors").exists()
    synthetic = ["--set", "data.synthetic_share=0.2"]
    assert main([*distil_command(pairs_folder, images, tmp_path / "other"), *synthetic]) == 2


def test_a_run_without_teacher_needs_other_terms(
    pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["distil", "--data", str(pairs_folder), "--out", str(tmp_path), "--steps", "1"]
    assert main([*command, *TINY, *TINY_LUT]) == 2
    assert "give --teacher" in capsys.readouterr().err
    assert main([*command, *TINY, *TINY_LUT, *WITHOUT_TEACHER]) == 0


def test_export_takes_the_checkpoint_of_an_unfinished_run(
    distilled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (CHECKPOINT, "config.yaml"):
        shutil.copy(distilled / name, run / name)
    assert main(["export", "--run", str(run), "--out", str(tmp_path)]) == 0
    assert load_model(tmp_path / "model.safetensors").provenance["steps"] == 6
    assert "gray levels" in capsys.readouterr().out
    assert main(["export", "--run", str(tmp_path / "nothing")]) == 2
    assert main(["export", "--run", str(run), "--share", "0.3"]) == 2


def test_export_can_average_two_stages_of_a_run(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    command = distil_command(pairs_folder, teacher, second)
    assert main([*command, "--set", f"start_from={distilled}"]) == 0
    out = tmp_path / "out"
    blend = ["--blend", str(distilled), "--share", "0.25", "--out", str(out)]
    assert main(["export", "--run", str(second), *blend]) == 0
    model = load_model(out / "model.safetensors")
    first, last = (read_tensors(run / CHECKPOINT)["module"] for run in (distilled, second))
    expected = 0.25 * first["lattice"] + 0.75 * last["lattice"]
    assert np.abs(model.lattices[0] - expected.clamp(0, 1).numpy()).max() <= 0.51 / 255
    assert model.provenance["blend"] == {"run": distilled.name, "share": 0.25}
    assert str(tmp_path) not in json.dumps(model.provenance)
    assert main(["export", "--run", str(second), *blend, "--share", "2"]) == 2


def test_quantize_prints_the_papers_table(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "q" / "quantized.safetensors"
    command = [
        "quantize", "--teacher", str(teacher), "--data", str(pairs_folder), "--out", str(out),
        "--distilled", str(distilled / "model.safetensors"), "--format", "json", "--quiet",
        "--set", "student.nodes=9,9,3,3",
    ]  # fmt: skip
    assert main(command) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["type"] for row in rows] == ["teacher", "quantized", "distilled"]
    assert all(row["SSIM"] > 0 for row in rows)


def test_ablate_trains_every_variant_and_prints_the_papers_table(
    pairs_folder: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["ablate", *distil_command(pairs_folder, teacher, tmp_path, steps=1)[1:]]
    assert main([*command, "--format", "markdown"]) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("|")]
    assert lines[0] == "| LAE | CSE | EMDS | MI | EN | CC | SSIM | Qabf |"
    assert len(lines) == 6
    constant = load_model(tmp_path / "without-cse" / "model.safetensors").encoder
    assert not constant.blocks[-1].weight.any()
    assert load_model(tmp_path / "without-lae" / "model.safetensors").axes[2].high > 1e5

    assert main(["export", "--run", str(tmp_path / "full")]) == 0
    (tmp_path / "full" / "report.json").unlink()  # as if killed before its end
    trained = [tmp_path / name / "report.json" for name in ("without-lae", "full")]
    before = trained[0].stat().st_mtime_ns
    assert main([*command, "--resume"]) == 0
    assert trained[0].stat().st_mtime_ns == before
    assert trained[1].is_file()
    for other in (["--set", "lattice_rate=0.5"], ["--seed", "9"]):
        assert main([*command, "--resume", *other]) == 2
        assert "was trained with another" in capsys.readouterr().err
    command[command.index("--steps") + 1] = "2"
    assert main([*command, "--resume"]) == 0
    assert [json.loads(report.read_text())["steps"] for report in trained] == [2, 2]


def test_without_emds_a_student_learns_from_what_its_teacher_learned_from(
    pairs_folder: Path, teacher: Path, tmp_path: Path
) -> None:
    own = ["--set", "loss.intensity=7", "--set", "loss.quality.cc=2", "--set", "loss.stability=0.5"]
    command = ["teacher", "--data", str(pairs_folder), "--out", str(tmp_path), "--steps", "1"]
    assert main([*command, *TINY, *TINY_NET, *own]) == 0
    full = DistilConfig(teacher=str(tmp_path / "mm_net.pt"))
    alone = next(
        variant.config
        for variant in variants(full, loss_behind(tmp_path / "mm_net.pt"))
        if not variant.emds
    )
    assert alone.teacher is None
    assert alone.loss.fusion == FusionWeights(7.0, 1.0, 1.0)
    assert alone.loss.quality == QualityWeights(cc=2.0)
    assert alone.loss.stability == 0.5
    assert not any((alone.loss.intensity, alone.loss.structure, alone.loss.smoothness))


def test_what_is_behind_a_foreign_teacher_counts_as_the_plain_text_if_family(
    tmp_path: Path,
) -> None:
    assert loss_behind(tmp_path) == TeacherLossConfig()


def test_a_student_starts_from_another_of_its_structure(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path
) -> None:
    command = distil_command(pairs_folder, teacher, tmp_path / "run", steps=1)
    command += ["--set", f"start_from={distilled}"]
    assert main([*command, "--set", "student.width=8"]) == 2
    assert main([*command, "--resume"]) == 0


def test_a_student_goes_on_from_a_model_file(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    start = distilled / "model.safetensors"
    standing = ["--set", "lattice_rate=0", "--set", "encoder_rate=0", "--from", str(start)]
    command = distil_command(pairs_folder, teacher, tmp_path / "run", steps=1)
    assert main([*command, *standing]) == 0
    before, after = (load_model(m) for m in (start, tmp_path / "run" / "model.safetensors"))
    for name, tensor in before.tensors().items():
        assert np.array_equal(tensor, after.tensors()[name]), name
    assert after.provenance["config"]["start_from"] == "model.safetensors"
    other = distil_command(pairs_folder, teacher, tmp_path / "other", steps=1)
    capsys.readouterr()
    assert main([*other, "--from", "default"]) == 2
    assert "'default' has another lattice or encoder" in capsys.readouterr().err


@pytest.mark.parametrize("start", ["model.safetensors", "."])
def test_lattices_of_more_levels_can_learn_on_while_the_encoder_stays(
    distilled: Path, pairs_folder: Path, tmp_path: Path, start: str
) -> None:
    command = ["distil", "--data", str(pairs_folder), "--out", str(tmp_path), "--steps", "4", *TINY]
    command += [*TINY_LUT, *WITHOUT_TEACHER, "--from", str(distilled / start)]
    command += ["--set", "encoder_rate=0", "--set", "lattice_rate=0.3"]
    assert main([*command, "--set", "student.dark=20,60,90"]) == 0
    old, new = (load_model(folder / "model.safetensors") for folder in (distilled, tmp_path))
    for one, other in zip(old.encoder.blocks, new.encoder.blocks, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
    assert len(new.lattices) == 3
    assert any(not np.array_equal(lattice, old.lattices[0]) for lattice in new.lattices)


def test_what_is_no_students_run_is_no_start(
    distilled: Path, teacher: Path, pairs_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    older = tmp_path / "older"
    shutil.copytree(distilled, older)
    content = read_tensors(older / CHECKPOINT)
    content["module"]["dark_lattice"] = content["module"].pop("lattice")
    write_tensors(content, older / CHECKPOINT)
    command = ["distil", "--data", str(pairs_folder), "--out", str(tmp_path / "run")]
    command += ["--steps", "1", *TINY, *TINY_LUT, *WITHOUT_TEACHER]
    command += ["--set", "student.dark=20,60,90"]
    for folder, said in ((older, "model.safetensors instead"), (teacher.parent, "structure")):
        assert main([*command, "--from", str(folder)]) == 2
        assert said in capsys.readouterr().err


def test_targets_can_be_relative_to_the_start(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path
) -> None:
    command = distil_command(pairs_folder, teacher, tmp_path, steps=1)
    command += ["--set", "loss.relative=true", "--set", "loss.targets.qabf=0.0"]
    assert main(command) == 2
    assert main([*command, "--from", str(distilled)]) == 0


def test_a_student_can_be_held_against_a_rival(
    pairs_folder: Path, teacher: Path, distilled: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = distil_command(pairs_folder, teacher, tmp_path / "run", steps=1)
    command += ["--from", str(distilled), "--set", "loss.targets.qabf=0.0"]
    rival = distilled / "model.safetensors"
    assert main([*command, "--set", f"loss.rival={rival}"]) == 2
    assert "loss.relative" in capsys.readouterr().err
    command += ["--set", "loss.relative=true"]
    assert main([*command, "--set", f"loss.rival={pairs_folder}"]) == 2
    assert "is a folder" in capsys.readouterr().err
    for key in ("rival", "relative_to"):
        assert main([*command, "--set", f"loss.{key}=nowhere.safetensors"]) == 2
        assert "no teacher nowhere.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # all that was found out before anything was read
    command += ["--set", f"loss.rival={rival}", "--set", f"loss.relative_to={teacher}"]
    assert main(command) == 0
    loss = load_model(tmp_path / "run" / "model.safetensors").provenance["config"]["loss"]
    assert (loss["relative_to"], loss["rival"]) == ("mm_net.pt", "model.safetensors")


def test_half_precision_trains(pairs_folder: Path, teacher: Path, tmp_path: Path) -> None:
    command = distil_command(pairs_folder, teacher, tmp_path, steps=1)
    assert main([*command, "--precision", "bfloat16"]) == 0


def test_synthetic_nights_join_the_batch(pairs_folder: Path, tmp_path: Path) -> None:
    command = ["teacher", "--data", str(pairs_folder), "--out", str(tmp_path), "--steps", "1"]
    synthetic = ["--set", "data.synthetic_share=0.5", "--set", "data.synthetic_scenes=1"]
    assert main([*command, *TINY, *TINY_NET, *synthetic]) == 0


def test_the_ground_of_synthetic_nights_may_be_warmer_than_it_is_drawn() -> None:
    def scenes(warmth: float) -> list[Pair]:
        data = DataConfig(synthetic_scenes=2, synthetic_warmth=warmth)
        draw = synthetic_nights(data, 0, quiet=True)
        found = {pair.name: pair for pair in map(draw, map(np.random.default_rng, range(20)))}
        return [found[name] for name in sorted(found)]

    for drawn, warmer in zip(scenes(0), scenes(0.6), strict=True):
        np.testing.assert_array_equal(drawn.visible, warmer.visible)
        rise = warmer.infrared.astype(int) - drawn.infrared
        assert rise.min() >= 0
        assert rise.mean() > 5
        assert not rise[drawn.infrared == 255].any()


def test_the_lattices_stay_near_each_other_if_twilight_counts(
    pairs_folder: Path, tmp_path: Path
) -> None:
    command = ["distil", "--data", str(pairs_folder), "--steps", "25", *TINY, *TINY_LUT]
    for part in ("intensity=0", "structure=0", "smoothness=0", "monotonicity=0", "stability=0"):
        command += ["--set", f"loss.{part}"]
    command += ["--set", "loss.quality.mi=0.1", "--set", "loss.twilight_limit=0"]
    command += ["--set", "student.dark=1,255", "--set", "dark_rule=0.2"]
    command += ["--set", "lattice_rate=0.03"]
    pair = load_pair(find_dataset(pairs_folder).pairs[0])
    apart = []
    for weight in (0, 100):
        out = tmp_path / str(weight)
        assert main([*command, "--set", f"loss.twilight={weight}", "--out", str(out)]) == 0
        model = load_model(out / "model.safetensors")
        assert model.knows_scenes
        light, dark = (
            Fuser(one_lattice(model, lattice)).fuse(pair.visible, pair.infrared)
            for lattice in model.lattices
        )
        apart.append(np.abs(light.astype(int) - dark).mean())
    assert apart[1] < 0.7 * apart[0]


def test_a_teacher_begins_as_its_seed_says(pairs_folder: Path, tmp_path: Path) -> None:
    weights = []
    for number, seed in enumerate(("3", "3", "4")):
        out = tmp_path / str(number)
        command = ["teacher", "--data", str(pairs_folder), "--out", str(out), "--steps", "1"]
        assert main([*command, *TINY, *TINY_NET, "--set", "rate=0", "--seed", seed]) == 0
        weights.append(read_tensors(out / CHECKPOINT)["module"]["merge.0.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
