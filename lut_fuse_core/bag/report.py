"""What became of a bag that was fused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lut_fuse_core.errors import InputError
from lut_fuse_core.sync.stamps import NANOSECONDS


@dataclass(frozen=True)
class BagReport:
    """What became of a bag.

    pairs: fused and written. unpaired_*: images without a partner within the tolerance.
    unusable: messages that could not be decoded or fused; first_problem: why, for the first.
    unstamped: images without a stamp of their own, paired by the time they were recorded.
    copied: messages of other topics. left_out: topics that are not serialized as ROS 2 does, and so
    are not copied. messages_read, messages_recorded: of the topics that were
    needed; the latter None where the bag does not say. damage: what is wrong with the input.
    clock_offset: seconds that the infrared clock was ahead at the end, as estimated or as given.
    seconds: it took.
    """

    output: str
    storage: str
    visible: str
    infrared: str
    fused: str
    pairs: int
    unpaired_visible: int
    unpaired_infrared: int
    unusable: int
    first_problem: str | None
    unstamped: int
    copied: int
    left_out: tuple[str, ...]
    messages_read: int
    messages_recorded: int | None
    damage: str | None
    clock_offset: float
    seconds: float

    @property
    def rate(self) -> float:
        """Pairs per second, reading and writing included."""
        return self.pairs / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """All fields and the rate, for `json.dump`."""
        return {**asdict(self), "seconds": round(self.seconds, 3), "fps": round(self.rate, 2)}


def require_pairs(report: BagReport, closest: int | None, tolerance: float, missed: bool) -> None:
    """Raise InputError, saying why, if nothing could be fused.

    closest: smallest distance of stamps without a partner, nanoseconds. tolerance: seconds. missed:
    whether a partner came after its image was given up, since too many waited.
    """
    if report.pairs:
        return
    if report.unusable:
        raise InputError(
            f"none of the images of {report.visible} and {report.infrared} can be fused: "
            f"{report.first_problem}"
        )
    hint, advice = "the two topics do not overlap in time", "try a larger --tolerance"
    if closest is not None:
        hint = f"the closest are {closest / NANOSECONDS:.3f} s apart"
    if missed:
        hint = "those of one moment lie so far apart in the recording that they cannot wait"
        advice = "record both cameras on one machine, or at a lower rate"
    if report.damage:
        hint += f"; the bag is damaged: {report.damage}"
    raise InputError(
        f"no images of {report.visible} and {report.infrared} have stamps within "
        f"{tolerance:g} s of each other ({hint}); {advice}"
    )
