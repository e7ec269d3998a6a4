"""`lut-fuse view`: a recording of Rerun, opened again with Rerun."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import bags
import cv2
import foreign_bags as foreign
import numpy as np
import pytest
from test_export import PAIRS, write_bag

from lut_fuse_core.cli import main

View = Callable[..., tuple[int, str, str]]


@pytest.fixture
def view(tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]) -> View:
    """Run `lut-fuse view`; returns exit status, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        model = ("--model", model_file, "--backend", "reference", "--threads", 1)
        status = main(["view", *map(str, (*words, *model))])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    write_bag(tmp_path / "bag", 0)
    return tmp_path / "bag"


def test_a_file_holds_images_in_color_and_diagnostics_along_time(
    bag: Path, view: View, tmp_path: Path
) -> None:
    pytest.importorskip("rerun", reason="no Rerun: pip install '.[view]'")
    status, out, errors = view(bag, "-o", tmp_path / "bag.rrd")
    assert (status, errors) == (0, "")
    assert f"{PAIRS} frames" in out
    found = contents(tmp_path / "bag.rrd")
    for kind in ("visible", "infrared", "fused"):
        column = "EncodedImage:blob"
        images = [row for rows in found[f"/{kind}"].get(column, ()) for row in rows]
        assert len(images) == PAIRS
        pixels = cv2.imdecode(np.frombuffer(bytes(images[0]), np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels.shape == (48, 64, 3)  # one channel would be shown as depth
    levels = found["/diagnostics/gray_level/visible"]["Scalars:scalars"]
    assert levels[0][0] == pytest.approx(foreign.color(0).mean())
    times = [bags.START + index * foreign.STEP for index in range(PAIRS)]
    assert found["/fused"]["time"] == pytest.approx(times, abs=1000)


def contents(path: Path) -> dict[str, dict[str, list]]:
    """Columns of a recording by entity, read with Rerun."""
    chunk = pytest.importorskip("rerun.chunk", reason="this Rerun cannot read its files")
    found: dict[str, dict[str, list]] = {}
    for each in chunk.RrdReader(path).stream().to_chunks():
        columns = found.setdefault(each.entity_path, {})
        batch = each.to_record_batch()
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            is_time = str(values.type).startswith("timestamp")
            columns.setdefault(name, []).extend(
                (values.cast("int64") if is_time else values).to_pylist()
            )
    return found


def test_without_a_display_the_way_out_is_named(
    bag: Path, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rerun", reason="no Rerun: pip install '.[view]'")
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    status, _, errors = view(bag)
    assert status == 2
    assert "there is no display; write a file with -o FILE.rrd" in errors


def test_without_rerun_the_command_that_installs_it_is_named(
    bag: Path, view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    status, _, errors = view(bag, "-o", tmp_path / "bag.rrd")
    assert status == 1
    assert "lut_fuse_ros[view]" in errors
    assert list(tmp_path.glob("*.rrd")) == []


def test_what_cannot_be_shown_is_refused(bag: Path, view: View, tmp_path: Path) -> None:
    write_bag(tmp_path / "more" / "a", 1)
    write_bag(tmp_path / "more" / "b", 2)
    for words, message in (
        ((bag, "-o", tmp_path / "bag.mp4"), "does not end in .rrd"),
        ((tmp_path / "more", "-o", tmp_path / "x.rrd"), "holds 2 recordings; name one of them"),
        ((tmp_path / "nothing", "-o", tmp_path / "x.rrd"), "there is no"),
    ):
        status, _, errors = view(*words)
        assert status == 2
        assert message in errors
        assert errors.count("\n") == 1
    assert list(tmp_path.glob("*.rrd")) == []
