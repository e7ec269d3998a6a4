"""Parameters: what they say about themselves, and what changes while the node runs."""

from contextlib import suppress

import numpy as np
import pytest
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rig import NodeTest, description, half_warm, image_message, node_process, pixels_of, stamp_ns

from lut_fuse_core.settings import settings_of
from lut_fuse_ros.parameters.docs import PUBLISHED, SUBSCRIBED
from lut_fuse_ros.parameters.node_parameters import NodeParameters


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process(
            "autostart:=true", "fallback.policy:=nothing", "output.encoding:=bgr8", "threads:=1"
        )
    )


class TestReconfiguration(NodeTest):
    def contrast(self) -> int:
        return int(np.ptp(pixels_of(self.rig.fuse()).astype(int)))

    def test_strength_scales_the_infrared_contribution(self):
        contrast = []
        for strength in (0.0, 0.5, 1.0):
            assert self.rig.set("strength", strength).successful
            self.rig.fuse()
            contrast.append(self.contrast())
        assert contrast[0] == 0
        assert 0 < contrast[1] < contrast[2]

    def test_normalization_changes_with_the_next_frame(self):
        message = image_message(half_warm(np.uint16), "mono16")
        for low, high, bright in ((0.0, 65535.0, False), (0.0, 9000.0, True)):
            self.rig.set("normalization.mode", "range")
            self.rig.set("normalization.low", low)
            assert self.rig.set("normalization.high", high).successful
            self.rig.fuse(infrared=message)
            image = pixels_of(self.rig.fuse(infrared=message)).astype(int)
            warm, cold = image[:, -8:].mean(), image[:, :8].mean()
            assert (warm > cold + 20) == bright
        self.rig.set("normalization.mode", "auto")

    def test_a_tolerance_of_zero_pairs_equal_stamps_only(self):
        self.rig.fuse()
        assert self.rig.set("sync.tolerance", 0.0).successful
        self.rig.fuse()
        stamp = self.rig.send_visible()
        self.rig.send_infrared(stamp=stamp + 1)
        self.rig.nothing_fused(stamp)
        assert self.rig.set("sync.tolerance", 0.01).successful
        stamp = self.rig.send_visible()
        self.rig.send_infrared(stamp=stamp + 10_000_000)
        assert stamp_ns(self.rig.fused(stamp)) == stamp
        self.rig.set("sync.tolerance", 0.015)

    def test_the_output_encoding_is_the_one_asked_for(self):
        red = np.zeros((48, 64, 3), np.uint8)
        red[..., 0] = 200
        image = self.rig.fuse(visible=image_message(red, "rgb8"))
        assert image.encoding == "bgr8"
        assert pixels_of(image)[..., 2].mean() > pixels_of(image)[..., 0].mean() + 50

    def test_bad_values_are_refused_with_a_reason_and_change_nothing(self):
        for name, value, reason in (
            ("strength", 1.5, "1.0"),
            ("strength", float("nan"), "1.0"),
            ("strength", "full", "type"),
            ("fallback.policy", "panic", "visible, last_infrared, nothing"),
            ("sync.tolerance", -2.0, "1"),
            ("normalization.low_percentile", 99.5, "percentiles must increase"),
            ("model", "another", "read-only"),
            ("threads", 2, "read-only"),
        ):
            with self.subTest(name, value=value):
                before = self.rig.get(name)
                result = self.rig.set(name, value)
                assert not result.successful
                assert reason in result.reason, result.reason
                assert self.rig.get(name) == before
        self.rig.fuse()

    def test_every_parameter_is_described_with_its_range(self):
        settings = settings_of(NodeParameters)
        names = [each.name for each in settings]
        answer = self.rig.call(
            DescribeParameters,
            "/fusion_node/describe_parameters",
            DescribeParameters.Request(names=names),
        )
        for each, found in zip(settings, answer.descriptors, strict=True):
            assert found.description == each.description
            assert found.read_only != each.live
            if each.maximum is not None:
                ranges = [*found.floating_point_range, *found.integer_range]
                assert [(r.from_value, r.to_value) for r in ranges] == [
                    (each.minimum, each.maximum)
                ]
            for choice in each.choices:
                assert choice in found.additional_constraints

    def test_the_topics_are_those_that_are_documented(self):
        self.rig.fuse()
        node, of_ros = ("fusion_node", "/"), {"/parameter_events", "/rosout"}
        for documented, ask in (
            (SUBSCRIBED, self.rig.node.get_subscriber_names_and_types_by_node),
            (PUBLISHED, self.rig.node.get_publisher_names_and_types_by_node),
        ):
            expected = {f"/{name.lstrip('/')}": kind for name, (kind, _) in documented.items()}

            def found(ask=ask) -> dict[str, str]:
                return {
                    topic: kinds[0]
                    for topic, kinds in ask(*node)
                    if topic not in of_ros and not topic.endswith("/transition_event")
                }

            # Which node a topic belongs to travels apart from the images, and may come after them.
            with suppress(AssertionError):  # of the one below, which shows what is missing
                self.rig.wait(lambda f=found, e=expected: f().keys() >= e.keys(), "its topics")
            assert found() == expected

    def test_no_parameter_exists_that_is_not_documented(self):
        answer = self.rig.call(
            ListParameters, "/fusion_node/list_parameters", ListParameters.Request()
        )
        of_ros = {"use_sim_time", "start_type_description_service"}
        of_the_updater = {"diagnostic_updater.period", "diagnostic_updater.use_fqn"}
        documented = {each.name for each in settings_of(NodeParameters)}
        assert set(answer.result.names) - of_ros - of_the_updater == documented
