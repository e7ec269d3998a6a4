"""One dataclass says what every parameter is; nothing else may disagree."""

import re
from pathlib import Path

import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_ros.parameters.docs import counter_table, markdown_table, topic_table, yaml_text
from lut_fuse_ros.parameters.node_parameters import NodeParameters, specs

REPOSITORY = Path(__file__).parents[2]


def test_defaults_are_valid_and_survive_the_way_through_ros_names():
    parameters = NodeParameters()
    assert NodeParameters.from_dict(parameters.to_dict()) == parameters


def test_the_default_normalization_is_that_of_the_library():
    assert NodeParameters().normalization() == NormalizationConfig()


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
    for spec, _ in specs():
        assert len(spec.description) > 20
        assert spec.description.endswith(".")


def test_the_page_shows_every_topic_parameter_and_counter_as_it_is():
    page = (REPOSITORY / "docs" / "ros.md").read_text(encoding="utf-8")
    for table in (topic_table(), markdown_table(), counter_table()):
        assert table in page


def test_the_parameter_file_shows_every_parameter_as_it_is():
    path = REPOSITORY / "config" / "lut_fuse.yaml"
    assert path.read_text(encoding="utf-8") == yaml_text()


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
