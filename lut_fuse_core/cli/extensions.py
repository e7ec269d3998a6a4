"""What the training package adds to the command line, found through its entry points.

The core never imports PyTorch; an installed package offers objects under `GROUP` instead.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from lut_fuse_core.errors import LutFuseError

GROUP = "lut_fuse.extensions"


class MissingExtensionError(LutFuseError):
    """A feature needs a package that is not installed."""


def load_extension(name: str, purpose: str) -> Any:
    """Load an object that an installed package offers.

    Args:
        name: Name of the entry point in the group ``lut_fuse.extensions``.
        purpose: Beginning of the error message, e.g. ``reading the published files``.

    Returns:
        The object.

    Raises:
        MissingExtensionError: If the package, or one that it imports, is not installed.
    """
    offers = list(entry_points(group=GROUP, name=name))
    if not offers:
        raise MissingExtensionError(
            f"{purpose} needs the package's entry points; run 'pip install .' in its folder"
        )
    try:
        return offers[0].load()
    except ImportError as error:
        raise MissingExtensionError(
            f"{purpose} needs PyTorch ({error}); run 'pip install torch' and try again"
        ) from error
