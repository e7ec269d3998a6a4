"""Functions compiled by Numba, kept on disk where there is a place for that."""

from __future__ import annotations

from typing import Any

import numba


def compiled(function: Any, signature: Any = None, **options: Any) -> Any:
    """The compiled function; with a signature at once (from the cache, if there is one).

    options: of `numba.njit`.
    """
    try:
        return numba.njit(signature, cache=True, nogil=True, **options)(function)
    except RuntimeError:  # neither this folder nor the user's cache folder can be written
        return numba.njit(signature, nogil=True, **options)(function)
