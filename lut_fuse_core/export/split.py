"""Which recordings are for training, and which for testing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lut_fuse_core.errors import InputError


@dataclass(frozen=True)
class Split:
    """How recordings are split: each as a whole, so that near-duplicates stay together.

    The part of a recording depends on its name alone: it stays when others are added.

    Attributes:
        shares: Names of the parts and their shares, above 0, which add up to 1.
        by: What stays together: a recording, or all recordings of a folder.
    """

    shares: tuple[tuple[str, float], ...] = (("train", 0.8), ("val", 0.2))
    by: Literal["recording", "folder"] = "recording"

    def of(self, target: Path) -> str:
        """The part of a recording.

        Args:
            target: Its path below the folder that is searched.

        Returns:
            Name of the part.
        """
        key = target.parent if self.by == "folder" and target.parent != Path() else target
        digest = hashlib.blake2b(key.as_posix().encode(errors="replace"), digest_size=8).digest()
        point, end = int.from_bytes(digest, "big") / 2**64, 0.0
        for name, share in self.shares:
            end += share
            if point < end:
                return name
        return self.shares[-1][0]


def parse_shares(text: str) -> tuple[tuple[str, float], ...]:
    """Parse the shares of a split.

    Args:
        text: Such as ``train=0.8,val=0.1,test=0.1``.

    Returns:
        Names and shares, see `Split`.

    Raises:
        InputError: If a name is repeated or no word, or the shares do not add up to 1.
    """
    shares = []
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        try:
            shares.append((name, float(value)))
        except ValueError:
            raise _bad(text, f"'{part.strip()}' is not NAME=SHARE") from None
    names = [name for name, _ in shares]
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise _bad(text, "names must be words, each given once")
    if not all(0 < share <= 1 for _, share in shares):
        raise _bad(text, "shares must be above 0 and up to 1")
    if abs(sum(share for _, share in shares) - 1) > 1e-6:
        raise _bad(text, f"the shares add up to {sum(share for _, share in shares):g}, not to 1")
    return tuple(shares)


def _bad(text: str, reason: str) -> InputError:
    return InputError(f"--split is '{text}': {reason}; write it like train=0.8,val=0.1,test=0.1")
