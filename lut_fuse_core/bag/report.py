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
        fused: Topic of the fused images.
        pairs: Number of pairs that were fused and written.
        unpaired_visible: Number of visible images without a partner within the tolerance.
        unpaired_infrared: Number of infrared images that were fused with none.
        unusable: Number of messages that could not be decoded or fused.
        first_problem: Why, for the first of them; None without any.
        unstamped: Number of images without a stamp, which were paired by when they were recorded.
        copied: Number of messages of the input that were written again.
        left_out: What of the old bag the storage of the new one cannot hold.
        notes: Sentences about what else the user should know.
        messages_read: Number of messages read, of the topics that were needed.
        messages_recorded: Number of messages recorded on these topics; None if unknown.
        damage: What is wrong with the input; None if nothing is.
        clock_offset: Seconds that the infrared clock was ahead at the end, estimated or given.
        seconds: Duration in seconds.
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
        """Pairs per second, reading and writing included; 0 for a duration of 0."""
        return self.pairs / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """All fields, and the rate as ``fps``, for `json.dump`."""
        return {**asdict(self), "seconds": round(self.seconds, 3), "fps": round(self.rate, 2)}


def require_pairs(report: BagReport, reading: PairedReading, tolerance: float) -> None:
    """Refuse a bag of which nothing could be fused.

    Args:
        report: Report of the finished run.
        reading: How it was read.
        tolerance: Seconds by which the stamps of a pair may differ.

    Raises:
        InputError: If there are no pairs; says why, and what to do.
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
