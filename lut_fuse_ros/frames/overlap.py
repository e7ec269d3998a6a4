"""Images that several subscriptions to one topic deliver, passed on once."""

from __future__ import annotations

from collections import deque

REMEMBERED = 64
"""Images per subscription; more than one is ahead of another, latched images included."""


class Overlap:
    """Says of each image whether it came already, by what each subscription delivered.

    Images are known by a number, such as the time at which they were sent. One that a subscription
    delivers for the second time is another image: where there is but the stamp, recordings are
    played in loops, and some cameras stamp all images alike.

    >>> overlap = Overlap()
    >>> overlap.open("old"), overlap.is_new("old", 7)
    (None, True)
    >>> overlap.open("new"), overlap.is_new("new", 7), overlap.is_new("new", 8)
    (None, False, True)
    >>> overlap.is_new("old", 8), overlap.is_new("old", 7)
    (False, True)
    """

    def __init__(self) -> None:
        self._images: dict[object, deque[int]] = {}
        self._lately: set[object] = set()

    def open(self, subscription: object) -> None:
        """One more delivers from now on."""
        self._images[subscription] = deque(maxlen=REMEMBERED)

    def may_close(self, subscription: object) -> bool:
        """Whether another one delivers all that this one does; to be asked now and then.

        That is so once both are at the same image, or another one is beyond, or goes on alone.
        Closed earlier, an image would be missed, or come again as one that was latched.
        """
        own = self._images[subscription]
        goes_on, self._lately = subscription in self._lately, set()
        others = [each for each in self._images.values() if each is not own and each]
        return any(not goes_on or each[-1] not in own or each[-1] == own[-1] for each in others)

    def close(self, subscription: object) -> None:
        """One of them is gone."""
        del self._images[subscription]

    def is_new(self, subscription: object, image: int) -> bool:
        """Whether an image came for the first time.

        Args:
            subscription: What it came from.
            image: Its number, the same in each subscription.
        """
        own = self._images[subscription]
        own.append(image)
        self._lately.add(subscription)
        others = (each.count(image) for each in self._images.values() if each is not own)
        return own.count(image) > max(others, default=0)
