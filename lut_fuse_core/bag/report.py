"""What became of a bag that was fused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lut_fuse_core.bag.pairs import PairedReading
from lut_fuse_core.bag.recorded_offset import FAR
from lut_fuse_core.errors import InputError
from lut_fuse_core.sync.stamps import NANOSECONDS


@dataclass(frozen=True)
class BagReport:
    """What became of a bag.

    Attributes:
        output: Folder of the new bag.
        storage: Its format, ``mcap`` or ``sqlite3``.
        visible: Topic of the visible images.
        infrared: Topic of the infrared images.
        fused: Topic that was written.
        pairs: Fused and written.
        unpaired_visible: Visible images without a partner within the tolerance.
        unpaired_infrared: The same of infrared images.
        unusable: Messages that could not be decoded or fused.
        first_problem: Why, for the first of them; None without any.
        unstamped: Images without a stamp of their own, paired by the time they were recorded.
        copied: Messages of the input that were written again.
        left_out: What the new bag does not hold of the old one, since its format cannot.
        notes: What else the user should know.
        messages_read: Of the topics that were needed.
        messages_recorded: The same, as the bag says; None where it does not.
        damage: What is wrong with the input; None if nothing is.
        clock_offset: Seconds that the infrared clock was ahead at the end, estimated or given.
        seconds: It took.
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
    notes: tuple[str, ...]
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


def require_pairs(report: BagReport, reading: PairedReading, tolerance: float) -> None:
    """Raise InputError, saying why, if nothing could be fused.

    Args:
        report: On the finished run.
        reading: Knows how far apart the images are.
        tolerance: Seconds.
    """
    if report.pairs:
        return
    if report.unusable:
        raise InputError(
            f"none of the images of {report.visible} and {report.infrared} can be fused: "
            f"{report.first_problem}"
        )
    damage = f"; the bag is damaged: {report.damage}" if report.damage else ""
    offset = reading.offset(report.clock_offset)
    what = f"no images of {report.visible} and {report.infrared} have stamps within {tolerance:g} s"
    if offset is not None:
        raise InputError(f"{what} of each other: {offset}{damage}")
    closest = reading.pairer.closest
    hint, advice = "the two topics do not overlap in time", "try a larger --tolerance"
    if closest is not None:
        hint = f"the closest are {closest / NANOSECONDS:.3f} s apart"
        advice += ", or --clock-offset SECONDS|auto if the clocks of the cameras differ"
        if closest > FAR * NANOSECONDS:
            advice = (
                "the stamps do not follow the times of recording; --stamps arrival pairs by these"
            )
    if reading.pairer.missed:
        hint = "those of one moment lie so far apart in the recording that they cannot wait"
        advice = "record both cameras on one machine, or at a lower rate"
    raise InputError(f"{what} of each other ({hint}{damage}); {advice}")
