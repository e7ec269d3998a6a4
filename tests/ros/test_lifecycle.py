"""The life cycle: every transition in every order, and starts that fail."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from rig import TRANSITIONS, NodeTest, description, node_process, pixels_of

DAMAGED = Path(tempfile.mkdtemp()) / "rig.npy"
DAMAGED.touch()


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process(),
        node_process("autostart:=true", "model:=no_such_model", remap=("__node:=broken",)),
        node_process(
            "autostart:=true",
            "registration.source:=file",
            f"registration.file:={DAMAGED}",
            remap=("__node:=unregistered",),
        ),
    )


ALLOWED = {
    ("unconfigured", "configure"): "inactive",
    ("inactive", "activate"): "active",
    ("active", "deactivate"): "inactive",
    ("inactive", "cleanup"): "unconfigured",
}


class TestLifecycle(NodeTest):
    def reach(self, state: str) -> None:
        """From whatever state the last test left."""
        path = {
            "unconfigured": ("deactivate", "cleanup"),
            "inactive": ("configure", "deactivate"),
            "active": ("configure", "activate"),
        }[state]
        for name in path:
            if self.rig.state() != state and (self.rig.state(), name) in ALLOWED:
                assert self.rig.transition(name)
        assert self.rig.state() == state

    def subscribed(self) -> bool:
        return self.rig.node.count_subscribers("/visible/image_raw") > 0

    def test_transitions_succeed_where_allowed_and_are_refused_elsewhere(self):
        chance = random.Random(4)
        self.reach("unconfigured")
        state = "unconfigured"
        for _ in range(24):
            name = chance.choice(sorted(TRANSITIONS))
            with self.subTest(name, state=state):
                allowed = (state, name) in ALLOWED
                assert self.rig.transition(name) == allowed
                state = ALLOWED.get((state, name), state)
                assert self.rig.state() == state

    def test_it_fuses_only_while_active(self):
        self.reach("active")
        self.rig.fuse()
        assert self.rig.transition("deactivate")
        self.rig.wait(lambda: not self.subscribed(), "still subscribed")
        self.rig.nothing_fused(self.rig.send_pair())
        assert self.rig.transition("activate")
        self.rig.fuse()

    def test_it_fuses_again_after_a_clean_up(self):
        self.reach("unconfigured")
        for _ in range(2):
            self.rig.transition("configure")
            self.rig.transition("activate")
            self.rig.fuse()
            self.rig.transition("deactivate")
            self.rig.transition("cleanup")
        assert self.rig.state() == "unconfigured"

    def test_what_was_set_before_a_deactivation_holds_after_it(self):
        self.reach("active")
        self.rig.fuse()
        assert self.rig.set("strength", 0.0).successful  # and no frame comes any more
        assert self.rig.transition("deactivate")
        assert self.rig.transition("activate")
        self.rig.fuse()
        try:
            assert np.ptp(pixels_of(self.rig.fuse())) == 0
        finally:
            self.rig.set("strength", 1.0)

    def test_whatever_a_registration_file_holds_the_reason_is_told(self):
        other = self.rig.target
        self.rig.target = "/unregistered"
        try:
            self.rig.wait_for_report(
                lambda r: r["level"] == "2" and str(DAMAGED) in r["message"], "no error reported"
            )
            assert self.rig.state() == "unconfigured"
        finally:
            self.rig.target = other

    def test_diagnostics_tell_the_state(self):
        self.reach("inactive")
        self.rig.wait_for_report(
            lambda r: r["message"] == "inactive" and r["level"] == "0", "not told"
        )

    def test_a_model_that_cannot_be_read_leaves_it_unconfigured_and_says_so(self):
        other = self.rig.target
        self.rig.target = "/broken"
        try:
            self.rig.wait_for_report(
                lambda r: r["level"] == "2" and "no_such_model" in r["message"], "no error reported"
            )
            assert self.rig.state() == "unconfigured"
            assert not self.rig.transition("configure")
            assert self.rig.state() == "unconfigured"
        finally:
            self.rig.target = other
