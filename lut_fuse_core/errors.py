"""The exceptions of the library: one sentence each, naming the cause and the way out."""

from __future__ import annotations


class LutFuseError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(LutFuseError, ValueError):
    """What the user passed in cannot be used (a file, an array, a topic, a parameter)."""


class ModelError(InputError):
    """A model file or model object is missing, damaged, altered, too new or inconsistent."""


class BackendUnavailableError(LutFuseError):
    """A backend cannot run on this machine or cannot execute this model."""
