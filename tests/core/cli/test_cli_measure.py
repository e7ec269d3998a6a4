"""`lut-fuse bench`, `backends` and `model`: what they print, write and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from lut_fuse_core import FusionModel, load_model, save_model
from lut_fuse_core.backends import BACKEND_NAMES
from lut_fuse_core.cli import extensions, main
from lut_fuse_core.evaluation import benchmark
from lut_fuse_core.model import context


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks without the pauses and repetitions that make their numbers good."""
    monkeypatch.setattr(benchmark, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(benchmark, "TURN_SECONDS", 0.001)
    monkeypatch.setattr(benchmark, "LEAST_TURNS", 1)


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_backends_lists_all_of_them_with_a_reason_for_those_that_do_not_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make_model: Callable[..., FusionModel]
) -> None:
    save_model(make_model(per_frame=True), tmp_path / "m.safetensors")
    assert main(["backends", "--model", str(tmp_path / "m.safetensors")]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"auto", *lines} == set(BACKEND_NAMES)
    assert lines["native"].startswith("not here: this model normalizes with each frame's own")
    assert lines["cpu"].startswith("works")
    assert lines["reference"] == "works"
    assert sum("'auto' takes it" in line for line in lines.values()) == 1


@pytest.mark.usefixtures("short_turns")
def test_bench_reports_every_size_backend_and_number_of_threads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = run_json(
        capsys,
        *("bench", "--size", "64x48", "32x32", "--backend", "cpu", "reference"),
        *("--threads", "1", "2", "--seconds", "0.001"),
    )
    assert isinstance(report, dict)
    cases = [(t["width"], t["threads"], t["backend"]) for t in report["timings"]]
    subjects = [(n, b) for n in (1, 2) for b in ("cpu", "reference", "addWeighted", "copy")]
    assert cases == [(w, 1 if b == "copy" else n, b) for w in (64, 32) for n, b in subjects]
    for timing in report["timings"]:
        assert 0 < timing["best"] <= timing["total"]
        assert timing["ratio"] is None
    cpu = report["timings"][0]
    assert list(cpu["stages"]) == ["pooling", "encoder", "look-up"]
    assert 0 < sum(cpu["stages"].values()) < 2 * cpu["total"]


@pytest.mark.usefixtures("short_turns")
def test_bench_compares_with_the_published_method_in_the_same_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch")
    report = run_json(
        capsys,
        *("bench", "--size", "96x72", "--backend", "cpu", "--threads", "1"),
        *("--seconds", "0.001", "--against", "published"),
    )
    assert isinstance(report, dict)
    published, ours = report["timings"][:2]
    assert published["backend"] == "published"
    assert published["ratio"] == 1
    assert ours["ratio"] == pytest.approx(published["total"] / ours["total"])
    assert ours["ratio"] > 1
    assert report["published_weights"] == "random numbers"


@pytest.mark.usefixtures("short_turns")
def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "32x32", "--backend", "cpu", "--threads", "1", "--seconds", "0.001"]
    assert main(["bench", *arguments]) == 0
    heading, names, row = capsys.readouterr().out.splitlines()[:3]
    assert "median milliseconds" in heading
    assert names.split() == [
        *("size", "backend", "threads", "pooling", "encoder", "look-up", "total", "best", "fps")
    ]
    assert row.split()[:3] == ["32x32", "cpu", "1"]


@pytest.mark.usefixtures("short_turns")
def test_bench_tells_how_many_times_a_weighted_sum_and_a_copy_a_fusion_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--size", "64x48", "--backend", "native", "--threads", "1", "--seconds", "0.001"]
    assert main(["bench", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[1] for line in lines if line.startswith("64x48 ")}
    assert rows == {"native", "addWeighted", "copy"}
    sentence = next(line for line in lines if "times a copy" in line)
    assert sentence.startswith("64x48, threads: 1: 'native' takes ")


@pytest.mark.parametrize(
    "arguments",
    [["--size", "64"], ["--threads", "0"], ["--backend", "abacus"], ["--size", "8x8"]],
)
def test_bench_refuses_what_it_cannot_measure(arguments: list[str]) -> None:
    try:
        status = main(["bench", *arguments])
    except SystemExit as exit_by_parser:
        status = int(str(exit_by_parser.code))
    assert status == 2


def test_without_torch_the_published_method_names_the_way_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Offer:
        def load(self) -> None:
            raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(extensions, "entry_points", lambda **_: [Offer()])
    assert main(["bench", "--size", "32x32", "--against", "published"]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == (
        "lut-fuse: measuring the published method needs PyTorch (No module named 'torch'); "
        "run 'pip install torch' and try again"
    )


def test_model_info_shows_what_is_in_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: FusionModel
) -> None:
    save_model(model, tmp_path / "m.safetensors")
    facts = run_json(capsys, "model", "info", str(tmp_path / "m.safetensors"))
    assert isinstance(facts, dict)
    assert facts["time_stable"] is True
    assert [axis["nodes"] for axis in facts["axes"]] == list(model.nodes)
    assert facts["provenance"] == {"name": "random"}
    assert main(["model", "info", str(tmp_path / "m.safetensors")]) == 0
    assert "5 nodes from 0 to 255 gray levels" in capsys.readouterr().out


def test_a_damaged_model_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"nonsense")
    assert main(["model", "info", str(tmp_path / "m.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "m.safetensors cannot be read as a model file" in error


def test_exported_parts_compute_what_the_model_computes(
    tmp_path: Path, model: FusionModel, rng: np.random.Generator
) -> None:
    save_model(model, tmp_path / "m.safetensors")
    folder = tmp_path / "new" / "export"
    assert main(["model", "export", str(tmp_path / "m.safetensors"), "-o", str(folder)]) == 0
    np.testing.assert_array_equal(np.load(folder / "lattices.npy"), model.lattices)
    assert json.loads((folder / "model.json").read_text())["gradient"]["norm"] == "l1"
    session = onnxruntime.InferenceSession(folder / "encoder.onnx")
    planes = rng.random((2, 8, 8)).astype(np.float32)
    (result,) = session.run(None, {"planes": planes[None]})
    np.testing.assert_allclose(result[0, 0], context.run_blocks(model.encoder, planes), atol=1e-3)


def test_the_published_files_become_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shared: Path
) -> None:
    pytest.importorskip("torch")
    folder = shared / "reference" / "official_lut_fuse"
    files = [str(folder / "fine_tuned_lut.npy"), str(folder / "generator_context.pth")]
    out = tmp_path / "published.safetensors"
    assert main(["model", "import", *files, "-o", str(out)]) == 0
    model = load_model(out)
    assert model.lattices.shape == (1, 16, 16, 16, 16)
    assert not model.time_stable
    assert main(["model", "import", *reversed(files), "-o", str(out)]) == 2
    assert "not the published lattice and encoder" in capsys.readouterr().err
    assert load_model(out).name == "published"
    assert main(["model", "import", *files, "-o", str(tmp_path / "absent" / "m.st")]) == 2
