"""What `auto` takes on a machine with a GPU, with synthetic backends and times."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lut_fuse_core.backends import create_backend, registry
from lut_fuse_core.backends.gpu import choice
from lut_fuse_core.backends.gpu.choice import faster_backend
from lut_fuse_core.backends.gpu.device import GpuDevice
from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel


class Machine:
    """Two backends with synthetic times; remembers what was made and measured."""

    def __init__(self, cuda: float | None, tensorrt: float | None) -> None:
        self.times = {"cuda": cuda, "tensorrt": tensorrt}
        self.made: list[str] = []
        self.measured: list[str] = []
        self.dead: set[str] = set()

    def create(self, name: str) -> Any:
        self.made.append(name)
        if self.times[name] is None:
            raise BackendUnavailableError(f"no {name} today")
        return SimpleNamespace(name=name, fuse=lambda *_: self.fuse(name))

    def fuse(self, name: str) -> None:
        if name in self.dead:
            raise RuntimeError("an illegal memory access was encountered")

    def measure(self, backend: Any) -> float:
        self.measured.append(backend.name)
        seconds = self.times[backend.name]
        assert seconds is not None
        return seconds


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    device = GpuDevice(None, "Orin (nvgpu)", 87, 8, integrated=True)
    monkeypatch.setattr(choice, "open_device", lambda: device)
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.3.0"))  # type: ignore[arg-type]


@pytest.fixture
def choose(
    model: FusionModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[[Machine], str]:
    caplog.set_level(logging.INFO)

    def chosen(machine: Machine) -> str:
        options = GpuOptions(cache=tmp_path)
        return faster_backend(model, options, machine.create, machine.measure).name

    return chosen


@pytest.mark.parametrize(("cuda", "tensorrt", "taken"), [(1, 2, "cuda"), (2, 1, "tensorrt")])
def test_what_measures_faster_is_taken_and_remembered(
    choose: Callable[[Machine], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    cuda: float,
    tensorrt: float,
    taken: str,
) -> None:
    assert choose(Machine(cuda * 1e-3, tensorrt * 1e-3)) == taken
    assert f"'cuda' takes {cuda}.000 ms" in caplog.text
    assert f"'{taken}' is taken" in caplog.text
    (record,) = tmp_path.glob("choice-orin-nvgpu-8sm87-trt10.3.0-auto-*.json")
    assert json.loads(record.read_text())["seconds"] == {
        "cuda": cuda * 1e-3,
        "tensorrt": tensorrt * 1e-3,
    }
    later = Machine(1.0, 1.0)
    assert choose(later) == taken
    assert (later.made, later.measured) == ([taken], [])


@pytest.mark.parametrize(
    ("cuda", "tensorrt", "taken"), [(None, 1.0, "tensorrt"), (1.0, None, "cuda")]
)
def test_the_one_that_works_is_taken_with_a_warning_and_the_other_tried_again_next_time(
    choose: Callable[[Machine], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    cuda: float | None,
    tensorrt: float | None,
    taken: str,
) -> None:
    assert choose(Machine(cuda, tensorrt)) == taken
    (warning,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert f"'{taken}' is taken, since the other cannot be used" in warning.getMessage()
    assert "today" in warning.getMessage()
    assert not list(tmp_path.iterdir())


def test_a_remembered_backend_that_fails_now_is_replaced_with_a_warning(
    choose: Callable[[Machine], str], caplog: pytest.LogCaptureFixture
) -> None:
    choose(Machine(2.0, 1.0))
    assert choose(Machine(2.0, None)) == "cuda"
    said = "'cuda' is taken, since the other cannot be used: tensorrt: no tensorrt today"
    assert said in caplog.text


def test_if_neither_works_both_reasons_are_given(choose: Callable[[Machine], str]) -> None:
    with pytest.raises(BackendUnavailableError, match="cuda: no cuda today; tensorrt: no tensor"):
        choose(Machine(None, None))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"taken": "abacus"}'])
def test_a_spoilt_record_is_measured_again(
    choose: Callable[[Machine], str], tmp_path: Path, content: str
) -> None:
    choose(Machine(1.0, 2.0))
    (record,) = tmp_path.iterdir()
    record.write_text(content)
    assert choose(Machine(2.0, 1.0)) == "tensorrt"


def test_a_choice_holds_for_one_tensorrt_and_one_precision(
    choose: Callable[[Machine], str], model: FusionModel, tmp_path: Path
) -> None:
    choose(Machine(1.0, 2.0))
    sys.modules["tensorrt"].__version__ = "10.7.0"  # type: ignore[attr-defined]
    assert choose(Machine(2.0, 1.0)) == "tensorrt"
    machine = Machine(2.0, 1.0)
    options = GpuOptions("fp32", tmp_path)
    assert faster_backend(model, options, machine.create, machine.measure).name == "tensorrt"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_choice_holds_for_the_kernels_that_this_card_gets(
    choose: Callable[[Machine], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(Machine(1.0, 2.0))
    large = GpuDevice(None, "Orin (nvgpu)", 87, 132, integrated=True)  # takes another tile
    monkeypatch.setattr(choice, "open_device", lambda: large)
    assert choose(Machine(2.0, 1.0)) == "tensorrt"


def test_without_tensorrt_nothing_is_measured(
    choose: Callable[[Machine], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # type: ignore[arg-type]
    machine = Machine(1.0, 0.5)
    assert choose(machine) == "cuda"
    assert machine.measured == []
    assert "'tensorrt' cannot run: it needs TensorRT's Python module" in caplog.text


@pytest.mark.parametrize("there", [True, False])
def test_a_gpu_that_stays_unused_is_worth_a_warning(
    model: FusionModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    there: bool,
) -> None:
    caplog.set_level(logging.INFO)

    def broken() -> GpuDevice:
        raise BackendUnavailableError("the driver is asleep")

    monkeypatch.setattr("lut_fuse_core.backends.gpu.device.open_device", broken)
    monkeypatch.setattr("lut_fuse_core.backends.gpu.device.gpu_is_there", lambda: there)
    backend = create_backend("auto", model, 1)
    (record,) = (r for r in caplog.records if r.name == registry.__name__)
    assert record.levelno == (logging.WARNING if there else logging.INFO)
    reason = f"'{backend.name}' is taken: GPU: the driver is asleep"
    assert record.getMessage().startswith(reason)  # why a faster backend is missing may follow


def test_what_failed_with_all_of_the_gpu_leaves_nothing_to_take(
    choose: Callable[[Machine], str], caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(1.0, None)
    machine.dead = {"cuda"}
    with pytest.raises(BackendUnavailableError, match=r"no tensorrt today; cuda: .*illegal memory"):
        choose(machine)
    assert "is taken" not in caplog.text


def test_one_that_cannot_be_measured_leaves_the_other(
    choose: Callable[[Machine], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(1.0, 2.0)

    def measure(backend: Any) -> float:
        if backend.name == "cuda":
            raise MemoryError(f"no memory for {backend.name}")
        return 2.0

    monkeypatch.setattr(machine, "measure", measure)
    assert choose(machine) == "tensorrt"
    assert not list(tmp_path.iterdir())
    machine.dead = {"tensorrt"}
    with pytest.raises(BackendUnavailableError, match="no memory for cuda"):
        choose(machine)
