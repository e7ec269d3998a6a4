"""The context encoder as an ONNX model, for runtimes that execute convolutions.

In int8 the convolutions between the first and the last take 8-bit numbers: QuantizeLinear and
DequantizeLinear say so, on what a convolution gets and on its weights. That is how runtimes since
TensorRT 8 are told, and the only way in TensorRT 11. The first convolution, which gets the image,
and the last, whose sum becomes the context, stay in float16.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import ModelError
from lut_fuse_core.model.context import INSTANCE_NORM_EPSILON
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.onnx_graph import FLOAT, HALF, OnnxGraph

Arithmetic = Literal["float32", "float16", "int8"]

INT8_TOP = 127
"""The end of a range as a number of 8 bits; symmetric, so that zero stays zero."""


def encoder_to_onnx(encoder: ContextEncoder, arithmetic: Arithmetic = "float32") -> bytes:
    """The convolutions of a context encoder as a serialized ONNX model.

    Input ``planes``: ``(1, C, h, w)``, what `context.encoder_input` returns, any h and w; float32
    for float32, float16 for the others.
    Output ``context``: ``(1, 1, h, w) float32``, gray levels 0..255.

    Raises:
        ModelError: In int8 if the ranges that it needs are unknown, or nothing would be in int8.
    """
    graph = OnnxGraph("context_encoder")
    writer = _Int8Encoder if arithmetic == "int8" else _FloatEncoder
    writer(graph, encoder, HALF if arithmetic != "float32" else FLOAT).write()
    return graph.file()


class _FloatEncoder:
    """Writes all of an encoder in one floating-point type."""

    def __init__(self, graph: OnnxGraph, encoder: ContextEncoder, element: int) -> None:
        self.graph, self.encoder, self.element = graph, encoder, element

    def write(self) -> None:
        """Add everything from ``planes`` to ``context``."""
        graph, blocks = self.graph, self.encoder.blocks
        planes = graph.input("planes", blocks[0].weight.shape[1], self.element)
        hidden = first = self.activated(0, planes)
        for index in range(1, len(blocks) - 1):
            hidden = self.hidden(index, hidden)
        if self.encoder.skip:
            hidden = graph.node("Add", [hidden, first])
        logits = self.convolved(len(blocks) - 1, hidden)
        if self.element != FLOAT:
            logits = graph.node("Cast", [logits], to=FLOAT)
        shares = graph.node("Sigmoid", [logits])
        top = graph.tensor("gray_levels", np.array([255.0], np.float32))
        graph.node("Mul", [shares, top], graph.output("context", 1, FLOAT))

    def hidden(self, index: int, source: str) -> str:
        """A convolution between the first and the last, with all that follows it."""
        return self.activated(index, source)

    def activated(self, index: int, source: str) -> str:
        """Any convolution but the last, with all that follows it."""
        return self.after(index, self.convolved(index, source))

    def after(self, index: int, hidden: str) -> str:
        """What follows a convolution: LeakyReLU, instance normalization."""
        block = self.encoder.blocks[index]
        hidden = self.graph.node("LeakyRelu", [hidden], alpha=float(self.encoder.slope))
        if block.gain is None or block.offset is None:
            return hidden
        inputs = [hidden, *(self.constant(f"{part}_{index}", getattr(block, part))
                            for part in ("gain", "offset"))]  # fmt: skip
        return self.graph.node("InstanceNormalization", inputs, epsilon=INSTANCE_NORM_EPSILON)

    def convolved(self, index: int, source: str) -> str:
        """A convolution and nothing else."""
        block = self.encoder.blocks[index]
        weight = self.constant(f"weight_{index}", block.weight)
        bias = self.constant(f"bias_{index}", block.bias)
        return self.convolution(source, weight, bias)

    def convolution(self, source: str, weight: str, bias: str) -> str:
        """A 3x3 convolution that keeps the size."""
        # What ONNX would infer from the weights: TensorRT 8.5 does not, where they are quantized.
        return self.graph.node(
            "Conv", [source, weight, bias], kernel_shape=[3, 3], pads=[1, 1, 1, 1]
        )

    def constant(self, name: str, array: FloatArray) -> str:
        """A tensor in the type of the encoder."""
        return self.graph.tensor(name, array.astype("<f2" if self.element == HALF else "<f4"))


class _Int8Encoder(_FloatEncoder):
    """Writes the convolutions between the first and the last in int8, the others in float16.

    Scales are float32: older parsers read them as that, whatever their type. So what is quantized
    is float32, too, as networks that are strongly typed want it.
    """

    def __init__(self, graph: OnnxGraph, encoder: ContextEncoder, element: int) -> None:
        super().__init__(graph, encoder, element)
        if len(encoder.blocks) < 3:
            raise ModelError(
                "its context encoder has two convolutions, of which none would be int8"
            )
        if not encoder.ranges_known:
            raise ModelError(
                "it does not say how large the numbers in its context encoder get; 'lut-fuse model "
                "ranges MODEL PAIRS -o FILE' finds that out from a folder of your pairs"
            )

    def hidden(self, index: int, source: str) -> str:
        """See `_FloatEncoder.hidden`."""
        graph, block = self.graph, self.encoder.blocks[index]
        if index == 1:
            source = graph.node("Cast", [source], to=FLOAT)
        values = self.quantized(f"input_{index}", source, np.array(block.input_range, np.float32))
        weight = graph.tensor(f"weight_{index}", block.weight)
        weight = self.quantized(f"weight_{index}", weight, _weight_range(block))
        bias = graph.tensor(f"bias_{index}", block.bias)
        hidden = self.after(index, self.convolution(values, weight, bias))
        if index == len(self.encoder.blocks) - 2:
            hidden = graph.node("Cast", [hidden], to=HALF)
        return hidden

    def quantized(self, name: str, source: str, top: FloatArray) -> str:
        """A tensor rounded to 8 bits, as a float32 tensor.

        Args:
            top: Its range, or one for each index of its first axis.
        """
        scale = self.graph.tensor(f"{name}_scale", (top / INT8_TOP).astype(np.float32))
        zero = self.graph.tensor(f"{name}_zero", np.zeros(top.shape, np.int8))
        integers = self.graph.node("QuantizeLinear", [source, scale, zero], axis=0)
        return self.graph.node("DequantizeLinear", [integers, scale, zero], axis=0)


def _weight_range(block: ConvBlock) -> FloatArray:
    """The largest weight of each output channel; 1 for a channel of zeros."""
    largest = np.abs(block.weight).max(axis=(1, 2, 3))
    return np.where(largest > 0, largest, np.float32(1)).astype(np.float32)
