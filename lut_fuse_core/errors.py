"""The exceptions of the library: one sentence each, naming the cause and the way out."""

from __future__ import annotations

import errno
import os
import sys


class LutFuseError(Exception):
    """Base of all errors raised on purpose by this package.

    Their text is one line, whatever a damaged file put into it.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class InputError(LutFuseError, ValueError):
    """What the user passed in cannot be used (a file, an array, a topic, a parameter)."""


class ModelError(InputError):
    """A model file or model object is missing, damaged, altered, too new or inconsistent."""


class BackendUnavailableError(LutFuseError):
    """A backend cannot run on this machine or cannot execute this model."""


def one_line(text: str) -> str:
    """A text on one line, without control characters, which damaged files may put into it.

    Args:
        text: Any.

    Returns:
        The text with single spaces, ``?`` for what cannot be printed.
    """
    words = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def kind_of(value: object) -> str:
    """What a value is, for a sentence: shape and number type of an array, the type of others."""
    return f"{getattr(value, 'shape', type(value))} {getattr(value, 'dtype', '')}".strip()


def describe(error: OSError) -> str:
    """What the operating system refused, as a sentence that names the file.

    Args:
        error: Raised by a call of the system.

    Returns:
        File and reason; only the reason where no file is known.
    """
    # Where a file was to be renamed, the second name is the one that the user knows.
    file = error.filename2 or error.filename
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOSPC:
        reason += "; make room, or write elsewhere"
    return f"{os.fsdecode(file)}: {reason}" if isinstance(file, str | bytes) else reason


def end_with(program: str, error: LutFuseError | OSError) -> int:
    """Say on stderr why a program ends.

    Args:
        program: Its name, in front of the sentence.
        error: What ended it.

    Returns:
        The exit status: 2 for bad input, 1 for a failure.
    """
    text = describe(error) if isinstance(error, OSError) else str(error)
    print(f"{program}: {text}", file=sys.stderr)
    return 2 if isinstance(error, InputError) else 1
