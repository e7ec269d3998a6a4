"""Progress bars and remarks on stderr; there are no bars where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while the block runs.

    Args:
        what: Name of the work.
        unit: Unit of the numbers, in plural.

    Yields:
        Called with the amount done so far and in all.
    """
    if not _is_watched():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(desc=what, unit=f" {unit}", dynamic_ncols=True, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def note(sentence: str) -> None:
    """Print a line on stderr, above the progress bar if there is one.

    Args:
        sentence: What follows the program's name.
    """
    if not _is_watched():
        print(f"lut-fuse: {sentence}", file=sys.stderr)
        return
    from tqdm import tqdm

    tqdm.write(f"lut-fuse: {sentence}", file=sys.stderr)


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
