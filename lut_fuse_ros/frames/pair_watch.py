"""Since when visible frames have come without a pair."""

from __future__ import annotations


class PairWatch:
    """Decides when infrared has been missing for so long that visible frames go out alone.

    What counts is how long visible frames have come without a pair, so that an infrared camera
    whose stamps fit nothing is treated like one that is silent, and a slow pair of cameras like a
    fast one.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self.fallen_back = False

    def arrived(self, now: float) -> None:
        """Note a visible frame (seconds of the arrival clock)."""
        if self._since is None:
            self._since = now

    def paired(self) -> None:
        """Note a pair."""
        self._since = None
        self.fallen_back = False

    def overdue(self, now: float, timeout: float) -> bool:
        """Whether visible frames have come for ``timeout`` seconds without a pair."""
        self.fallen_back = self._since is not None and now - self._since > timeout
        return self.fallen_back
