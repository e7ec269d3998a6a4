"""Parameters come from the settings; nothing else may disagree."""

import re
from pathlib import Path

import pytest

from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.settings import Setting, settings_of, values_of
from lut_fuse_ros.parameters.docs import page, write, yaml_text
from lut_fuse_ros.parameters.node_parameters import NodeParameters

REPOSITORY = Path(__file__).parents[2]


def test_defaults_are_valid_and_survive_the_way_through_ros_names():
    parameters = NodeParameters()
    assert NodeParameters.from_dict(values_of(parameters)) == parameters


def test_the_default_normalization_is_that_of_the_library():
    assert NodeParameters().normalization == NormalizationConfig()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("strength", 1.01, "'strength' is 1.01; it must be between 0 and 1"),
        ("strength", float("nan"), "between 0 and 1"),
        ("strength", float("inf"), "between 0 and 1"),
        ("strength", 1, "must be a decimal number, not 1; write 1.0"),
        ("threads", True, "must be a whole number"),
        ("threads", -1, "between 0 and 256"),
        ("fallback.policy", "Visible", "one of visible, last_infrared, nothing"),
        ("backend", "quantum", "one of auto"),
        ("model", "", "'model' is empty"),
        ("registration.source", "file", "'registration.file' is empty"),
        ("normalization.high_percentile", 0.5, "percentiles must increase"),
        ("calibration.file", "found.npy", "'found.npy'; it must end in .json or .yaml"),
        ("no.such", 1, "no parameter 'no.such'"),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value, message):
    with pytest.raises(InputError, match=re.escape(message)):
        NodeParameters().updated({name: value})


def test_an_update_leaves_the_original_alone():
    parameters = NodeParameters()
    assert parameters.updated({"strength": 0.25}).strength == 0.25
    assert parameters.strength == 1.0


def test_every_parameter_has_a_sentence_that_explains_it():
    for each in settings_of(NodeParameters):
        assert len(each.description) > 20
        assert each.description.endswith(".")


def shared() -> list[tuple[Setting, Setting]]:
    """Parameters that are settings of the core, with these."""
    of_core = {each.name: each for each in settings_of(PipelineConfig)}
    renamed = {
        "sync.reuse_alignment": "reuse_alignment",
        "fallback.max_infrared_age": "max_infrared_age",
    }
    names = {each.name: renamed.get(each.name, each.name) for each in settings_of(NodeParameters)}
    own = {"threads"}  # 0 leaves a core to the middleware
    return [
        (each, of_core[names[each.name]])
        for each in settings_of(NodeParameters)
        if names[each.name] in of_core and each.name not in own
    ]


def test_a_parameter_that_is_a_setting_of_the_core_has_its_range_and_choices():
    pairs = shared()
    groups = map(settings_of, (NormalizationConfig, RegistrationConfig, GpuOptions))
    assert len(pairs) == sum(map(len, groups)) + len(("model", "backend", "strength")) + 3
    for parameter, setting in pairs:
        for fact in ("kind", "minimum", "maximum", "choices", "unit", "live"):
            assert getattr(parameter, fact) == getattr(setting, fact), parameter.name


@pytest.mark.parametrize(
    "each",
    [each for each in settings_of(NodeParameters) if each.kind in (int, float)],
    ids=lambda each: each.name,
)
def test_a_value_beyond_a_range_is_refused(each: Setting):
    for end, beyond in ((each.minimum, -1), (each.maximum, 1)):
        if abs(end) == float("inf"):
            continue
        wrong = each.kind(end) + beyond * each.kind(max(1, abs(end) * 1e-6))
        with pytest.raises(InputError, match=re.escape(f"'{each.name}' is {wrong}; it must")):
            NodeParameters().updated({each.name: wrong})


def test_the_ends_of_every_range_are_accepted():
    numbers = [each for each in settings_of(NodeParameters) if each.kind in (int, float)]
    for end, other in (("minimum", "high"), ("maximum", "low")):
        NodeParameters().updated(
            {
                each.name: each.kind(getattr(each, end))
                for each in numbers
                if not each.name.startswith(f"normalization.{other}")
            }
        )


def test_the_page_shows_every_topic_parameter_and_counter_as_it_is():
    text = (REPOSITORY / "docs" / "ros.md").read_text(encoding="utf-8")
    assert text == page(text)


def test_a_page_without_marks_is_refused():
    with pytest.raises(InputError, match="lacks the marks around the table of topics"):
        page("# ROS\n")


def test_both_files_are_written_as_they_should_be(tmp_path: Path):
    for name in ("config/lut_fuse.yaml", "docs/ros.md"):
        (tmp_path / name).parent.mkdir()
    text = (REPOSITORY / "docs" / "ros.md").read_text(encoding="utf-8")
    (tmp_path / "docs/ros.md").write_text(text.replace("| `strength` |", "| `strengths` |"))
    write(tmp_path)
    assert (tmp_path / "docs/ros.md").read_text(encoding="utf-8") == text
    assert (tmp_path / "config/lut_fuse.yaml").read_text(encoding="utf-8") == yaml_text()


def test_the_parameter_file_shows_every_parameter_as_it_is():
    path = REPOSITORY / "config" / "lut_fuse.yaml"
    assert path.read_text(encoding="utf-8") == yaml_text()


def test_off_without_quotes_is_off_although_yaml_makes_it_false():
    assert NodeParameters.from_dict({"registration.depth": False}).registration.depth == "off"
    with pytest.raises(InputError, match="must be a string"):
        NodeParameters.from_dict({"registration.depth": True})


def test_the_parameter_file_holds_the_defaults():
    import yaml

    content = yaml.safe_load((REPOSITORY / "config" / "lut_fuse.yaml").read_text("utf-8"))
    flat = {}
    for name, value in content["/**"]["ros__parameters"].items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    assert NodeParameters.from_dict(flat) == NodeParameters()
