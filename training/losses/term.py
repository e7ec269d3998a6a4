"""One weighted term of a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Term:
    """One term of a loss.

    Attributes:
        value: Its mean is logged.
        weight: In the loss; negative where more is better.
        target: The value beyond which it no longer contributes, a number or a tensor like
            ``value``.
    """

    value: Tensor
    weight: float
    target: float | Tensor | None = None

    @property
    def contribution(self) -> Tensor:
        """What the term adds to the loss."""
        value = self.value if self.target is None else self.value.clamp(max=self.target)
        return self.weight * value.mean()


Terms = Mapping[str, Term]


def total(terms: Terms) -> Tensor:
    """The loss that is minimized."""
    return torch.stack([term.contribution for term in terms.values()]).sum()
