"""Text of unknown length in sentences for the user."""

from __future__ import annotations

MAX_LENGTH = 600
"""Characters of a sentence; names in messages may be of any length."""


def shortened(text: str) -> str:
    """A text with its middle left out where it is too long for a log or a report.

    >>> len(shortened("x" * 200_000))
    600
    """
    if len(text) <= MAX_LENGTH:
        return text
    half = (MAX_LENGTH - 5) // 2
    return f"{text[:half]} ... {text[len(text) - (MAX_LENGTH - 5 - half) :]}"
