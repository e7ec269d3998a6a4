"""Configuration files: what is wrong in them is named, nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from lut_fuse_training.config import read_config, to_plain
from lut_fuse_training.networks.mm_lut import MMLut
from lut_fuse_training.recipes.distil_config import DistilConfig
from lut_fuse_training.recipes.train_teacher import TeacherConfig

from lut_fuse_core import load_model
from lut_fuse_core.errors import InputError

SHIPPED = Path(__file__).parents[2] / "config" / "training"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("teacher.yaml", TeacherConfig),
        ("distil.yaml", DistilConfig),
        ("default.yaml", DistilConfig),
    ],
)
def test_shipped_configurations_are_valid(name: str, kind: type) -> None:
    assert read_config(kind, SHIPPED / name).loss.quality.qabf > 0


def test_the_default_model_can_be_fitted_with_the_configuration_for_it() -> None:
    student = read_config(DistilConfig, SHIPPED / "default.yaml").student
    assert MMLut.of(load_model("default")).config == student


def test_an_unknown_key_is_refused_with_the_key_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("loss:\n  smothness: 1.0\n")
    with pytest.raises(InputError, match=r"'loss\.smothness'.*'loss\.smoothness'"):
        read_config(DistilConfig, path)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("loss: {smoothness: 1.0}\nloss: {smoothness: 2.0}\n")
    with pytest.raises(InputError, match="'loss' is there twice"):
        read_config(DistilConfig, path)


def test_a_folder_and_a_file_nested_without_end_are_no_configurations(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*directory"):
        read_config(DistilConfig, tmp_path)
    (tmp_path / "deep.yaml").write_text("[" * 10_000)
    with pytest.raises(InputError, match="is not valid YAML"):
        read_config(DistilConfig, tmp_path / "deep.yaml")


def test_every_value_can_be_overridden() -> None:
    overrides = [
        "student.nodes=9,9,3,3",
        "lattice_rate=1",
        "loss.quality.mi=0.25",
        "teacher=a/b.pt",
    ]
    config = read_config(DistilConfig, None, overrides)
    assert config.student.nodes == (9, 9, 3, 3)
    assert config.lattice_rate == 1.0
    assert config.loss.quality.mi == 0.25
    assert config.teacher == "a/b.pt"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.batch=many", "data.batch.*must be a int"),
        ("student.nodes=9,9", "2 values; it needs 4"),
        ("student.inputs=gray", "one of rgb_infrared, luma_infrared"),
        ("data.batch", "has no value"),
        ("augment.night=3", "probability"),
        ("data=3", "must hold keys and values"),
        ("data.synthetic_warmth=1", "below 1"),
        ("loss.twilight=1", "several lattices; set student.dark"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_config(DistilConfig, None, [override])


@pytest.mark.parametrize("content", ["[1, 2]", "a: [1", ": :"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(InputError):
        read_config(TeacherConfig, path)


def test_a_configuration_survives_being_written_and_read(tmp_path: Path) -> None:
    import yaml

    config = read_config(DistilConfig, SHIPPED / "distil.yaml", ["student.width=12"])
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(to_plain(config)))
    assert read_config(DistilConfig, path) == config
