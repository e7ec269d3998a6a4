"""All metrics from the sums that the C++ library takes in one pass over all images of a pair.

What the metrics are, with their sources, is said where they are computed in NumPy: information.py,
statistics.py, structure.py, fidelity.py. Sums of gray levels and of their products are integers, so
that nothing is lost where correlations subtract them.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lut_fuse_core.arrays import Float64Array, UInt8Array
from lut_fuse_core.evaluation.metrics.fidelity import NEGLIGIBLE, SCALES, window
from lut_fuse_core.evaluation.metrics.structure import SSIM_WINDOW
from lut_fuse_core.native.bindings import Measurement, Sums


def evaluate(
    library: ctypes.CDLL,
    infrared: UInt8Array,
    visible: UInt8Array,
    fused: Sequence[UInt8Array],
    instructions: str | None = None,
) -> list[dict[str, float]]:
    """All metrics of fused images of one pair, by name.

    Args:
        library: Of `load_library`.
        infrared: ``(H, W) uint8``, contiguous, at least 41x41.
        visible: Likewise, luma.
        fused: Likewise.
        instructions: One of `instruction_sets`; None for the best.

    Raises:
        MemoryError: If there is no memory left.
    """
    images = (infrared, visible, *fused)
    sums = (Sums * len(images))()
    windows = _windows()
    measurement = Measurement(
        (ctypes.c_void_p * len(images))(*(image.ctypes.data for image in images)),
        (ctypes.c_void_p * SCALES)(*(weights.ctypes.data for weights in windows)),
        sums,
        len(fused),
        *infrared.shape,
    )
    name = None if instructions is None else instructions.encode()
    if library.lut_fuse_measure(ctypes.byref(measurement), name):
        raise MemoryError("no memory to measure the images")
    sources = _Image(sums[0], infrared.shape), _Image(sums[1], infrared.shape)
    return [_metrics(sources, _Image(each, infrared.shape)) for each in sums[2:]]


@lru_cache(maxsize=1)
def _windows() -> tuple[Float64Array, ...]:
    return tuple(np.ascontiguousarray(window(index)).ravel() for index in range(SCALES))


class _Image:
    """The sums over one image, with moments in squared gray levels times squared pixels."""

    def __init__(self, sums: Sums, shape: tuple[int, int]) -> None:
        self.sums, (self.height, self.width) = sums, shape
        self.pixels = self.height * self.width
        self.energy = self.pixels * sums.squares - sums.total**2

    def product(self, source: int, other: _Image) -> int:
        """Covariance with the source of that number."""
        return int(
            self.pixels * self.sums.joint[source].products - self.sums.total * other.sums.total
        )


def _metrics(sources: tuple[_Image, _Image], fused: _Image) -> dict[str, float]:
    infrared, visible = sources
    sums, joint = fused.sums, fused.sums.joint
    products = [fused.product(index, source) for index, source in enumerate(sources)]
    between = visible.product(0, infrared)
    energies = [infrared.energy, visible.energy]
    correlations = [
        _correlation(product, fused.energy, energy)
        for product, energy in zip(products, energies, strict=True)
    ]
    # What the fused image adds to one source, against the other.
    added = [
        _correlation(
            products[1 - index] - between,
            fused.energy + energies[index] - 2 * products[index],
            energies[1 - index],
        )
        for index in range(2)
    ]
    return {
        "MI": sum(
            max(sums.entropy + source.sums.entropy - joint[index].joint_entropy, 0.0)
            for index, source in enumerate(sources)
        ),
        "EN": sums.entropy / math.log(2.0),
        "CC": sum(correlations) / 2,
        "SSIM": sum(each.similarity for each in joint) / _windows_in(fused),
        "Qabf": _share(
            sum(each.kept_edges for each in joint), sum(source.sums.edges for source in sources)
        ),
        "SCD": sum(added),
        "VIF": sum(_fidelity(source, index, fused) for index, source in enumerate(sources)),
        "SD": math.sqrt(fused.energy) / fused.pixels,
        "SF": math.sqrt(
            sums.across / (fused.height * (fused.width - 1))
            + sums.down / ((fused.height - 1) * fused.width)
        ),
        "AG": sums.gradient / fused.pixels,
    }


def _correlation(product: int, energy: int, other: int) -> float:
    return product / math.sqrt(energy * other) if energy and other else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


def _windows_in(image: _Image) -> int:
    return (image.height - SSIM_WINDOW + 1) * (image.width - SSIM_WINDOW + 1)


def _fidelity(source: _Image, index: int, fused: _Image) -> float:
    available = sum(source.sums.information)
    kept = sum(fused.sums.joint[index].kept_information)
    return kept / available if available > NEGLIGIBLE * source.pixels else 1.0
