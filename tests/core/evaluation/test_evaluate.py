"""`lut-fuse evaluate`: data set layouts, table, JSON, page, and pairs that cannot be measured."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import tracemalloc
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lut_fuse_core.cli import evaluate as command
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import METHODS, SequenceMeters, evaluate, load_pair, select
from lut_fuse_core.evaluation.metrics import METRIC_NAMES, evaluate_pair, gray_levels
from lut_fuse_core.evaluation.report.plots import axis_ticks, strip_plot
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.dataset import PairFiles, find_dataset
from lut_fuse_core.model.file import save_model
from lut_fuse_core.model.fusion_model import FusionModel

BLACK = np.zeros((64, 80), np.uint8)
Image = npt.NDArray[np.uint8]
Run = Callable[..., int]


def write_pairs(
    visible_folder: Path, infrared_folder: Path, names: tuple[str, ...], depth: type = np.uint8
) -> None:
    """Pairs with structure, all of one size; no two alike."""
    for folder in (visible_folder, infrared_folder):
        folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:64, 0:80]
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        visible = np.stack([80 + columns, 60 + rows, 90 + 20 * (columns // 9 % 2)], axis=2)
        visible = visible + rng.normal(0, 3, visible.shape)
        infrared = 60 + 120 * (np.hypot(rows - 30, columns - 20 - 8 * number) < 12)
        infrared = infrared + rng.normal(0, 3, infrared.shape)
        scale = 200 if depth is np.uint16 else 1
        cv2.imwrite(str(visible_folder / f"{name}.png"), visible.astype(np.uint8))
        cv2.imwrite(str(infrared_folder / f"{name}.png"), (infrared * scale).astype(depth))


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Four good pairs in visible/ and infrared/."""
    folder = tmp_path / "street"
    write_pairs(folder / "visible", folder / "infrared", ("a", "b", "c", "d"))
    return folder


@pytest.fixture
def model_path(tmp_path: Path, model: FusionModel) -> Path:
    save_model(model, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.fixture
def run(model_path: Path) -> Run:
    """Runs the subcommand with a small model, unless the arguments name a method."""

    def run_with(*arguments: object) -> int:
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        words = ["evaluate", *(str(argument) for argument in arguments)]
        if "--fused" not in words:
            words += ["--model", str(model_path), "--backend", "reference"]
        options = parser.parse_args(words)
        return int(options.run(options))

    return run_with


def write_fused(street: Path, folder: Path, names: str = "abcd") -> None:
    folder.mkdir()
    for name in names:
        cv2.imwrite(
            str(folder / f"{name}.png"), cv2.imread(str(street / "visible" / f"{name}.png"))
        )


def fused_maximum(_: PairFiles, visible: Image, infrared: Image) -> Image:
    return np.maximum(gray_levels(visible), infrared)


# Data sets


@pytest.mark.parametrize(
    ("visible", "infrared"),
    [
        ("visible", "infrared"),
        ("vi", "ir"),
        ("Vis", "Ir"),
        ("rgb", "thermal"),
        ("test/vi", "test/ir"),
        ("train/Visible", "train/Infrared"),
        ("visible/test", "infrared/test"),
        ("crop_LR_visible", "cropinfrared"),
    ],
)
def test_the_usual_layouts_are_found(tmp_path: Path, visible: str, infrared: str) -> None:
    write_pairs(tmp_path / visible, tmp_path / infrared, ("1", "2"))
    dataset = find_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["1", "2"]
    assert dataset.pairs[0].visible == tmp_path / visible / "1.png"
    assert dataset.pairs[0].infrared == tmp_path / infrared / "1.png"


def test_the_test_split_is_preferred(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_pairs(tmp_path / split / "vi", tmp_path / split / "ir", (split,))
    assert [pair.name for pair in find_dataset(tmp_path).pairs] == ["test"]


def test_files_match_by_stem_whatever_their_suffix(tmp_path: Path) -> None:
    write_pairs(tmp_path / "vi", tmp_path / "ir", ("1", "2"))
    (tmp_path / "ir" / "1.png").rename(tmp_path / "ir" / "1.PNG")
    (tmp_path / "ir" / "2.png").rename(tmp_path / "ir" / "3.png")
    dataset = find_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["1"]
    assert dataset.unmatched == ("2", "3")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ((), "no folders 'visible' and 'infrared'"),
        (("visible",), "no folders 'visible' and 'infrared'"),
        (("visible", "infrared"), "holds no images"),
    ],
)
def test_what_is_no_data_set_is_refused(
    tmp_path: Path, folders: tuple[str, ...], message: str
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match=message):
        find_dataset(tmp_path)


def test_a_missing_folder_and_pairs_without_common_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        find_dataset(tmp_path / "nowhere")
    write_pairs(tmp_path / "visible", tmp_path / "spare", ("a",))
    write_pairs(tmp_path / "spare", tmp_path / "infrared", ("b",))
    with pytest.raises(InputError, match=r"a\.png and b\.png"):
        find_dataset(tmp_path)


def test_two_files_that_could_be_the_same_image_are_refused(street: Path) -> None:
    (street / "visible" / "a.jpg").write_bytes((street / "visible" / "a.png").read_bytes())
    with pytest.raises(InputError, match=r"a\.jpg and a\.png .* keep one"):
        find_dataset(street)


def test_pairs_are_chosen_by_pattern_and_number(street: Path) -> None:
    pairs = find_dataset(street).pairs
    assert [pair.name for pair in select(pairs, "[b-d]", 2)] == ["b", "c"]
    with pytest.raises(InputError, match="none of the 4 pairs"):
        select(pairs, "z*", None)


# Measuring


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("workers", [1, 3])
def test_pairs_of_one_size_are_measured_as_if_each_were_alone(
    tmp_path: Path, depth: type, workers: int
) -> None:
    write_pairs(tmp_path / "vi", tmp_path / "ir", tuple("abcdefgh"), depth)
    pairs = find_dataset(tmp_path).pairs
    together = evaluate(pairs, fused_maximum, workers=workers)
    assert [pair.name for pair in together.pairs] == list("abcdefgh")
    for files, found in zip(pairs, together.pairs, strict=True):
        visible, infrared = load_pair(files, InfraredNormalizer())
        alone = evaluate_pair(visible, infrared, fused_maximum(files, visible, infrared))
        assert found.scores["fused"] == alone
        assert found.scores["maximum"] == alone


def test_eight_bit_infrared_is_measured_as_it_is(street: Path) -> None:
    files = find_dataset(street).pairs[0]
    _, infrared = load_pair(files, InfraredNormalizer())
    assert np.array_equal(infrared, cv2.imread(str(files.infrared), cv2.IMREAD_GRAYSCALE))


def test_the_ranking_puts_the_best_fused_pair_first(street: Path) -> None:
    def worse_and_worse(files: PairFiles, visible: Image, infrared: Image) -> Image:
        fused = fused_maximum(files, visible, infrared)
        strength = "bdac".index(files.name)
        return cv2.GaussianBlur(fused, (0, 0), 4 * strength) if strength else fused

    ranking = evaluate(find_dataset(street).pairs, worse_and_worse).ranking()
    assert ranking[0].name == "b"
    assert ranking[-1].name == "c"


def test_bad_pairs_are_left_out_and_named(street: Path) -> None:
    (street / "visible" / "b.png").write_bytes(b"no image at all")
    cv2.imwrite(str(street / "infrared" / "c.png"), np.zeros((50, 60), np.uint8))
    outcome = evaluate(find_dataset(street).pairs, fused_maximum)
    assert [pair.name for pair in outcome.pairs] == ["a", "d"]
    reasons = {problem.name: problem.reason for problem in outcome.problems}
    assert "not an image" in reasons["b"]
    assert "80x64" in reasons["c"]
    assert "60x50" in reasons["c"]


def test_a_data_set_without_a_single_good_pair_is_refused(street: Path) -> None:
    for path in (street / "visible").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="none of the 4 pairs could be measured: a: "):
        evaluate(find_dataset(street).pairs, fused_maximum)


def test_memory_does_not_grow_with_the_number_of_pairs(street: Path) -> None:
    pairs = find_dataset(street).pairs

    def peak(repeats: int) -> int:
        def stream() -> Iterator[PairFiles]:
            for _ in range(repeats):
                yield from pairs

        tracemalloc.start()
        evaluate(stream(), fused_maximum, SequenceMeters())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    images_of_a_pair = 64 * 80 * (3 + 1 + 1)
    assert peak(12) < peak(2) + 20 * images_of_a_pair


# The command


def test_the_table_shows_mean_and_median_of_all_metrics_and_methods(
    street: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(street) == 0
    text = capsys.readouterr().out
    assert "4 pairs" in text
    for name in METRIC_NAMES:
        (line,) = re.findall(rf"^{name} .*", text, re.MULTILINE)
        assert len(re.findall(r"-?\d+\.\d{3}", line)) == 2 * len(METHODS)


def test_the_split_that_was_taken_is_named(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "test" / "vi", tmp_path / "test" / "ir", ("a",))
    assert run(tmp_path) == 0
    assert f"{tmp_path.name}/test: 1 pair, " in capsys.readouterr().out


def test_json_holds_every_pair_and_their_mean(
    street: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(street, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pairs"] == 4
    assert set(result["per_image"]) == {"a", "b", "c", "d"}
    for method in METHODS:
        for name in METRIC_NAMES:
            values = [scores[method][name] for scores in result["per_image"].values()]
            assert result["mean"][method][name] == pytest.approx(np.mean(values))
            assert result["median"][method][name] == pytest.approx(np.median(values))


def test_images_of_another_method_are_measured_by_name(
    street: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fused(street, tmp_path / "other", "abc")
    assert run(street, "--fused", tmp_path / "other", "--json") == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    visible = cv2.cvtColor(cv2.imread(str(street / "visible/a.png")), cv2.COLOR_BGR2GRAY)
    infrared = cv2.imread(str(street / "infrared/a.png"), cv2.IMREAD_GRAYSCALE)
    expected = evaluate_pair(visible, infrared, visible)
    assert result["per_image"]["a"]["fused"] == pytest.approx(expected)
    assert list(result["left_out"]) == ["d"]
    assert "left out d: no fused image of that name" in captured.err


def test_bad_pairs_are_named_on_stderr_and_the_rest_is_measured(
    street: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (street / "infrared" / "a.png").write_bytes(b"\x89PNG broken")
    (street / "visible" / "d.png").unlink()
    assert run(street) == 0
    captured = capsys.readouterr()
    assert "2 pairs" in captured.out
    assert "left out a" in captured.err
    assert "1 image without a partner of the same name: d" in captured.err


def test_a_sequence_reports_flicker_and_the_untouched_region(
    street: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.zeros((64, 80), np.uint8)
    mask[:16] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    write_fused(street, tmp_path / "visible_only")
    arguments = (street, "--fused", tmp_path / "visible_only", "--sequence")
    assert run(*arguments, "--untouched", tmp_path / "mask.png", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    flicker = result["flicker"]["fused"]
    assert flicker["steps"] == 3
    assert flicker["fused"] == flicker["visible"] > 0
    assert flicker["ratio"] == flicker["visible"] / max(flicker["visible"], flicker["infrared"])
    assert result["untouched"]["frames"] == 3
    assert result["untouched"]["share"] == 0.25
    assert result["untouched"]["fused"] == result["untouched"]["visible"]
    assert run(*arguments) == 0
    assert "Flicker over 3 steps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--untouched", "mask.png"), "add --sequence"),
        (("--html", "nowhere/page.html"), "no folder nowhere"),
        (("--only", "z*"), "none of the 4 pairs"),
        (("--fused", "nowhere"), "no folder nowhere"),
    ],
)
def test_options_that_cannot_work_are_refused_in_one_sentence(
    street: Path, run: Run, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(street, *arguments)


def test_the_help_names_every_metric(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    text = capsys.readouterr().out
    assert all(name in text for name in METRIC_NAMES)


# The page


@pytest.fixture
def page(street: Path, run: Run, tmp_path: Path) -> str:
    (street / "infrared" / "d.png").write_bytes(b"<b>broken</b>")
    assert run(street, "--html", tmp_path / "page.html", "--json") == 0
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_is_well_formed(page: str) -> None:
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "img", "br"):
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Checker().feed(page)
    assert open_tags == []


def test_the_page_shows_a_dot_per_pair_method_and_metric(page: str) -> None:
    assert page.count("<circle") == 3 * len(METHODS) * len(METRIC_NAMES)
    assert page.count("<svg") == len(METRIC_NAMES)


def test_the_page_shows_the_best_and_worst_pairs_as_readable_pictures(page: str) -> None:
    pictures = re.findall(r'alt="(\w+)" src="data:image/jpeg;base64,([^"]+)"', page)
    assert [label for label, _ in pictures] == ["visible", "infrared", "fused"] * 3
    for _, text in pictures:
        data = np.frombuffer(base64.b64decode(text), np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (64, 80, 3)


def test_the_page_names_what_was_left_out(page: str) -> None:
    assert "1 left out" in page
    assert "not an image that can be read" in page


def test_names_cannot_inject_markup() -> None:
    plot = strip_plot({"fused": [1.0, 2.0]}, ["<script>", "a&b"])
    assert "<script>" not in plot
    assert "a&amp;b" in plot


@pytest.mark.parametrize(
    "bounds", [(0.0, 1.0), (-0.31, 0.22), (43.2, 88.1), (5.0, 5.0), (1e-4, 2e-4)]
)
def test_axis_ticks_are_round_and_cover_the_data(bounds: tuple[float, float]) -> None:
    ticks = axis_ticks(*bounds)
    assert ticks[0] <= bounds[0]
    assert ticks[-1] >= bounds[1]
    assert 2 <= len(ticks) <= 7
    assert len(set(np.diff(ticks).round(9))) == 1


def test_many_pairs_are_thinned_out_to_quantiles() -> None:
    values = list(np.linspace(0, 1, 5000))
    plot = strip_plot({"fused": values}, [str(index) for index in range(5000)])
    assert plot.count("<circle") == 300
    assert "<title>0: 0.000" in plot
    assert "<title>4999: 1.000" in plot


def test_a_mask_that_does_not_fit_is_named(run: Run, tmp_path: Path) -> None:
    write_pairs(tmp_path / "visible", tmp_path / "infrared", ("1", "2"))
    for mask, reason in ((np.full((10, 10), 255, np.uint8), "10x10"), (BLACK, "black all over")):
        cv2.imwrite(str(tmp_path / "mask.png"), mask)
        with pytest.raises(InputError, match=reason):
            run(tmp_path, "--sequence", "--untouched", tmp_path / "mask.png")


def test_a_name_that_is_no_text_can_be_shown(run: Run, tmp_path: Path) -> None:
    write_pairs(tmp_path / "visible", tmp_path / "infrared", ("1",))
    for kind in ("visible", "infrared"):
        (tmp_path / kind / "1.png").rename(tmp_path / kind / os.fsdecode(b"caf\xe9.png"))
    assert run(tmp_path, "--html", tmp_path / "page.html") == 0
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_an_empty_pattern_names_nothing() -> None:
    with pytest.raises(InputError, match="has a name like"):
        select([PairFiles("a", Path("v"), Path("i"))], "", None)
