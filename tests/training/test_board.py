"""TensorBoard is written if it is there, and not missed if it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from lut_fuse_training.images import panel
from lut_fuse_training.run.tensorboard import Board


def test_without_tensorboard_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    board = Board(tmp_path)
    board.scalars(1, {"loss": 2.0})
    board.close()
    assert "pip install tensorboard" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_curves_and_panels_are_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = Board(tmp_path)
    board.scalars(3, {"loss/mi": 2.5})
    visible, infrared = torch.rand(1, 3, 40, 50), torch.rand(1, 1, 40, 50)
    board.panel(3, "pairs/one", panel(visible, infrared, infrared))
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Scalars("loss/mi")[0].value == 2.5
    assert events.Images("pairs/one")[0].width == 150
