"""Loss terms on the lattice itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .term import Term


def lattice_terms(
    lattices: Iterable[Tensor], smoothness: float, monotonicity: float
) -> dict[str, Term]:
    """Lattices without kinks, and never darker where an input is brighter (paper, section 3.3).

    Kinks show as banding and amplify noise; falling values show as inverted detail.
    """
    bends, falls = [], []
    for lattice in lattices:
        along = [d for d in range(4) if lattice.shape[d] > 2]
        bends += [lattice.diff(n=2, dim=d).square().mean() for d in along]
        falls += [F.relu(-lattice.diff(dim=d)).mean() for d in (0, 1)]
    return {
        "smoothness": Term(100 * torch.stack(bends or [falls[0] * 0]).sum(), smoothness),
        "monotonicity": Term(torch.stack(falls).sum(), monotonicity),
    }


def steepness_term(
    lattices: Iterable[Tensor], weight: float, steepest: Sequence[float]
) -> dict[str, Term]:
    """Steps between neighboring nodes beyond ``steepest``, in gray levels, axis by axis; summed.

    Where a lattice is steep, a fixed-point look-up is too far from the exact one, and slower code
    has to serve on CPUs.
    """
    if not weight:
        return {}
    steps = [
        F.relu(lattice.diff(dim=d).abs() - most / 255).sum()
        for lattice in lattices
        for d, most in enumerate(steepest)
    ]
    return {"steepness": Term(torch.stack(steps).sum(), weight)}
