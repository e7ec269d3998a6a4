"""All metrics in NumPy and OpenCV: what they are, and what serves without the C++ library."""

from __future__ import annotations

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.evaluation.metrics import fidelity, information, statistics, structure


class PortableEvaluator:
    """Measures fused images of one pair; what depends on the pair alone is computed once.

    Args:
        infrared: ``(H, W) uint8``.
        visible: ``(H, W) uint8``, luma.
    """

    def __init__(self, infrared: UInt8Array, visible: UInt8Array) -> None:
        self._sources = sources = (infrared, visible)
        self._centered = [statistics.centered(image) for image in sources]
        self._moments = [structure.local_moments(image) for image in sources]
        self._edges = [structure.edges(image) for image in sources]
        self._pyramids = [fidelity.pyramid(image) for image in sources]

    def evaluate(self, image: UInt8Array) -> dict[str, float]:
        """All metrics of a fused image, by name.

        Args:
            image: ``(H, W) uint8``, luma.
        """
        centered = (*self._centered, statistics.centered(image))
        moments, pyramid = structure.local_moments(image), fidelity.pyramid(image)
        return {
            "MI": information.fusion_mutual_information(*self._sources, image),
            "EN": information.entropy(image),
            "CC": statistics.correlation_coefficient(*centered),
            "SSIM": sum(structure.structural_similarity(s, moments) for s in self._moments),
            "Qabf": structure.edge_transfer(self._edges, structure.edges(image)),
            "SCD": statistics.sum_of_correlations_of_differences(*centered),
            "VIF": sum(fidelity.visual_information_fidelity(s, pyramid) for s in self._pyramids),
            "SD": statistics.standard_deviation(image),
            "SF": statistics.spatial_frequency(image),
            "AG": statistics.average_gradient(image),
        }
