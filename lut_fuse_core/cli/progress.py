"""Progress bars on stderr, absent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that takes how much is done, and of how much, and shows it."""
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
    """A line on stderr, above a bar if there is one."""
    if not _is_watched():
        print(f"lut-fuse: {sentence}", file=sys.stderr)
        return
    from tqdm import tqdm

    tqdm.write(f"lut-fuse: {sentence}", file=sys.stderr)


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
