"""The networks that are trained: SegFormer and RT-DETR of transformers (both Apache-2.0).

The paper trains YOLOv5, whose implementation is under the AGPL and needs torchvision; RT-DETR is a
detector of the same speed class under a permissive license. Public weights have licenses of their
own: NVIDIA's for SegFormer forbid commercial use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from lut_fuse_core.errors import InputError


@dataclass(frozen=True)
class SegFormerConfig:
    """A SegFormer; by default as large as B0 (3.7 million weights).

    Attributes:
        widths: Channels at strides 4, 8, 16 and 32.
        depths: Blocks of each.
        decoder: Channels of the decoder.
    """

    widths: tuple[int, int, int, int] = (32, 64, 160, 256)
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    decoder: int = 256


@dataclass(frozen=True)
class RTDetrSize:
    """An RT-DETR on a ResNet-18; by default 11 million weights.

    Attributes:
        widths: Channels of the ResNet at strides 4, 8, 16 and 32.
        hidden: Channels of encoder and decoder; a multiple of 8.
        layers: Of the decoder.
        queries: Objects that it can find in a picture.
    """

    widths: tuple[int, int, int, int] = (64, 128, 256, 256)
    hidden: int = 128
    layers: int = 3
    queries: int = 100


def segformer(config: SegFormerConfig, classes: tuple[str, ...], weights: str | None) -> nn.Module:
    """A segmenter.

    Args:
        config: Its size.
        classes: Names by number.
        weights: Folder or name of public weights to begin with; their size goes before config's.

    Raises:
        InputError: transformers is missing, or the weights cannot be had.
    """
    library = _transformers()
    names = {"num_labels": len(classes), "id2label": dict(enumerate(classes))}
    if weights:
        return _pretrained(library.SegformerForSemanticSegmentation, weights, names)
    size = library.SegformerConfig(
        hidden_sizes=list(config.widths),
        depths=list(config.depths),
        decoder_hidden_size=config.decoder,
        semantic_loss_ignore_index=255,
        **names,
    )
    network: nn.Module = library.SegformerForSemanticSegmentation(size)
    return network


def rt_detr(config: RTDetrSize, classes: tuple[str, ...], weights: str | None) -> nn.Module:
    """A detector; see `segformer`."""
    library = _transformers()
    names = {"num_labels": len(classes), "id2label": dict(enumerate(classes))}
    if weights:
        return _pretrained(library.RTDetrForObjectDetection, weights, names)
    backbone = library.RTDetrResNetConfig(
        embedding_size=config.widths[0],
        hidden_sizes=list(config.widths),
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    size = library.RTDetrConfig(
        backbone_config=backbone,
        freeze_backbone_batch_norms=False,
        encoder_in_channels=list(config.widths[1:]),
        encoder_hidden_dim=config.hidden,
        encoder_ffn_dim=4 * config.hidden,
        d_model=config.hidden,
        decoder_in_channels=[config.hidden] * 3,
        decoder_ffn_dim=4 * config.hidden,
        decoder_layers=config.layers,
        num_queries=config.queries,
        **names,
    )
    network: nn.Module = library.RTDetrForObjectDetection(size)
    return network


def _pretrained(kind: Any, weights: str, names: dict[str, Any]) -> nn.Module:
    try:
        network: nn.Module = kind.from_pretrained(weights, ignore_mismatched_sizes=True, **names)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the weights {weights} cannot be had: {str(error).strip().splitlines()[0]}"
        ) from None
    return network


def _transformers() -> Any:
    try:
        import scipy  # noqa: F401, which RT-DETR's loss needs
        import transformers
    except ImportError as error:
        raise InputError(
            f"training detectors and segmenters needs what is missing here ({error}): "
            "pip install 'lut_fuse_ros[downstream]'"
        ) from None
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]
    return transformers
