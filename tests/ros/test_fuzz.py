"""Ten thousand messages, most of them garbage: the good pairs among them are fused."""

import random
import time
from array import array

import pytest
from rig import (
    FRAME,
    NodeTest,
    description,
    gray_visible,
    half_warm,
    header,
    image_message,
    node_process,
    stamp_ns,
)
from sensor_msgs.msg import Image

MESSAGES = 10_000
GOOD_PAIRS = 500


@pytest.mark.launch_test
def generate_test_description():
    # Reliable: what is to be counted must arrive.
    return description(
        node_process(
            "autostart:=true",
            "threads:=1",
            "fallback.policy:=nothing",
            "visible.qos:=reliable",
            "infrared.qos:=reliable",
            "visible.queue_size:=1000",
            "infrared.queue_size:=1000",
            "output.queue_size:=100",
        )
    )


def garbage(chance: random.Random, near: int) -> Image:
    """An image that no camera sends: some with stamps of any time, some beside a good one."""
    message = image_message(*chance.choice([(gray_visible(), "rgb8"), (half_warm(), "mono8")]))
    if chance.random() < 0.5:
        message.header = header(near + chance.randrange(-FRAME, FRAME))
    else:
        message.header = header(chance.randrange(0, 2**31 * 1_000_000_000))
    lie = chance.choice(["encoding", "height", "width", "step", "data", "all"])
    if lie in ("encoding", "all"):
        message.encoding = chance.choice(["", "thermal_magic", "x" * 1000, "bayer_"])
    if lie in ("height", "all"):
        message.height = chance.choice([0, 2**31, 2**32 - 1, 5000])
    if lie in ("width", "all"):
        message.width = chance.choice([0, 2**31, 2**32 - 1, 5000])
    if lie in ("step", "all"):
        message.step = chance.choice([0, 1, 2**32 - 1])
    if lie in ("data", "all"):
        message.data = array("B", bytes(chance.randrange(0, 100)))
    return message


class TestFuzz(NodeTest):
    def test_every_good_pair_among_garbage_is_fused(self):
        node = self.rig.node
        for side in ("visible", "infrared"):  # with room for a burst, so that all of it arrives
            self.rig.destroy(getattr(self.rig, side))
            setattr(self.rig, side, node.create_publisher(Image, f"{side}/image_raw", 1000))
        self.rig.fuse()
        self.rig.count("pairs")  # by a report that may be older than these pairs; the next is not
        self.rig.reports.clear()
        before = self.rig.wait_for_report(lambda _: True, "no report")
        chance, good, lies = random.Random(11), [], 0
        between = (MESSAGES - 2 * GOOD_PAIRS) // GOOD_PAIRS
        self.rig.images.clear()
        for _ in range(GOOD_PAIRS):
            stamp = self.rig.next_stamp()
            senders = [self.rig.send_visible, self.rig.send_infrared]
            chance.shuffle(senders)
            where = sorted(chance.randrange(between + 1) for _ in range(2))
            for place in range(between + 1):
                for sender, at in zip(senders, where, strict=True):
                    if at == place:
                        sender(stamp=stamp)
                if place < between:
                    chance.choice([self.rig.visible, self.rig.infrared]).publish(
                        garbage(chance, stamp)
                    )
                    lies += 1
            good.append(stamp)
            time.sleep(0.05)
            if len(good) % 25 == 0:  # the node must follow: what it has no time for is not judged
                self.catch_up(stamp)
        self.rig.wait(
            lambda: {stamp_ns(image) for image in list(self.rig.images)} >= set(good[-1:]),
            "the last good pair",
        )
        self.rig.reports.clear()
        after = self.rig.wait_for_report(lambda _: True, "no report")

        def grown(name: str) -> int:
            return int(after[name]) - int(before[name])

        arrived = grown("visible") + grown("infrared")
        facts = f"{grown('pairs')} pairs of {GOOD_PAIRS}, {arrived} of {lies + 2 * GOOD_PAIRS} came"
        lost = lies + 2 * GOOD_PAIRS - arrived
        assert grown("pairs") >= GOOD_PAIRS - lost, facts
        assert grown("fused") >= grown("pairs") - grown("dropped"), facts
        assert grown("malformed") >= lies - lost, facts
        assert grown("clock_jumps") == 0
        # Of what is published the rig, which subscribes best effort, may lose some.
        fused = {stamp_ns(image) for image in list(self.rig.images)}
        assert len(fused & set(good)) >= grown("fused") - GOOD_PAIRS // 10, facts

    def catch_up(self, stamp: int) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if any(stamp_ns(image) == stamp for image in list(self.rig.images)):
                return
            time.sleep(0.05)
