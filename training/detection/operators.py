"""ONNX operators in PyTorch: those that detectors of the YOLO family are exported with.

Each takes a node's inputs (None for one that is left out) and its attributes, and returns its
output or a tuple of them. Shapes and indices are tensors on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lut_fuse_core.errors import InputError

Attributes = dict[str, Any]
Inputs = Sequence[Any]
Operator = Callable[[Inputs, Attributes], Any]

_TYPES = {
    **{1: torch.float32, 2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64},
    **{9: torch.bool, 10: torch.float32, 11: torch.float32},
}
"""ONNX's numbers of element types; all floats are single here."""


def _pads(attributes: Attributes, size: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """As `F.pad` wants them: left, right, top, bottom."""
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic.startswith("SAME"):
        strides = attributes.get("strides", [1] * len(kernel))
        found: list[int] = []
        for side, stride, width in zip(size[::-1], strides[::-1], kernel[::-1], strict=True):
            whole = max((-(-side // stride) - 1) * stride + width - side, 0)
            less = whole // 2
            found += [less, whole - less] if automatic == "SAME_UPPER" else [whole - less, less]
        return found
    pads = attributes.get("pads", [0] * 2 * len(kernel))
    half = len(pads) // 2
    return [pads[k + end] for k in reversed(range(half)) for end in (0, half)]


def _convolution(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, weight, *bias = inputs
    dilations = attributes.get("dilations", [1] * (weight.dim() - 2))
    kernel = [d * (k - 1) + 1 for d, k in zip(dilations, weight.shape[2:], strict=True)]
    pads = _pads(attributes, image.shape[2:], kernel)
    convolve = F.conv2d if weight.dim() == 4 else F.conv1d
    even = pads[::2] == pads[1::2]
    return convolve(
        image if even else F.pad(image, pads),
        weight,
        bias[0] if bias else None,
        attributes.get("strides", 1),
        pads[::2][::-1] if even else 0,
        dilations,
        attributes.get("group", 1),
    )


def _max_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    (image,) = inputs
    kernel = attributes["kernel_shape"]
    pads = _pads(attributes, image.shape[2:], kernel)
    padded = F.pad(image, pads, value=-torch.inf) if any(pads) else image
    strides = attributes.get("strides", [1] * len(kernel))
    return F.max_pool2d(padded, kernel, strides, ceil_mode=bool(attributes.get("ceil_mode", 0)))


def _average_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    (image,) = inputs
    kernel = attributes["kernel_shape"]
    pads = _pads(attributes, image.shape[2:], kernel)
    if pads[::2] != pads[1::2]:
        raise InputError("the detector averages over windows with uneven padding, unknown here")
    return F.avg_pool2d(
        image,
        kernel,
        attributes.get("strides", [1] * len(kernel)),
        pads[::2][::-1],
        bool(attributes.get("ceil_mode", 0)),
        bool(attributes.get("count_include_pad", 0)),
    )


def _batch_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, scale, bias, mean, variance = inputs
    return F.batch_norm(image, mean, variance, scale, bias, eps=attributes.get("epsilon", 1e-5))


def _softmax(inputs: Inputs, attributes: Attributes) -> Tensor:
    (image,) = inputs
    if attributes["opset"] >= 13:
        return image.softmax(attributes.get("axis", -1))
    # Before version 13 all axes from this one on were one.
    axis = attributes.get("axis", 1) % image.dim()
    return image.flatten(axis).softmax(-1).reshape(image.shape)


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, shape = inputs
    keep = not attributes.get("allowzero", 0)
    sides = [
        image.shape[k] if side == 0 and keep else side for k, side in enumerate(shape.tolist())
    ]
    return image.reshape(sides)


def _axes(inputs: Inputs, attributes: Attributes) -> list[int] | None:
    """An attribute in old versions, the second input in new ones."""
    if len(inputs) > 1 and inputs[1] is not None:
        return [int(axis) for axis in inputs[1]]
    return attributes.get("axes")


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, axes = inputs[0], _axes(inputs, attributes) or []
    for axis in sorted(axis % (image.dim() + len(axes)) for axis in axes):
        image = image.unsqueeze(axis)
    return image


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, axes = inputs[0], _axes(inputs, attributes)
    return image.squeeze() if axes is None else image.squeeze(tuple(axes))


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, starts, ends, axes, steps = (*inputs, None, None)[:5]
    dims = range(len(starts)) if axes is None else axes.tolist()
    for k, dim in enumerate(dims):
        step = 1 if steps is None else int(steps[k])
        start, stop, _ = slice(int(starts[k]), int(ends[k]), step).indices(image.shape[dim])
        chosen = torch.arange(start, stop, step) if step < 0 else None
        if chosen is None:
            image = image[(slice(None),) * (dim % image.dim()) + (slice(start, stop, step),)]
        else:
            image = image.index_select(dim, chosen.to(image.device))
    return image


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, index = inputs
    axis = attributes.get("axis", 0) % image.dim()
    index = torch.where(index < 0, index + image.shape[axis], index).to(image.device)
    chosen = image.index_select(axis, index.reshape(-1))
    return chosen.reshape(*image.shape[:axis], *index.shape, *image.shape[axis + 1 :])


def _split(inputs: Inputs, attributes: Attributes) -> tuple[Tensor, ...]:
    image, axis = inputs[0], attributes.get("axis", 0)
    parts = inputs[1].tolist() if len(inputs) > 1 else attributes.get("split")
    if parts is None:
        count = attributes.get("num_outputs", 2)
        return image.split(-(-image.shape[axis] // count), axis)
    return image.split(parts, axis)


def _resize(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, _, scales, sizes = (*inputs, None, None)[:4]
    if sizes is not None and len(sizes):
        size = sizes.tolist()[2:]
    else:
        scales = inputs[1] if scales is None and len(inputs) == 2 else scales
        size = [int(s * f) for s, f in zip(image.shape[2:], scales.tolist()[2:], strict=True)]
    mode = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[
        attributes.get("mode", "nearest")
    ]
    corners = attributes.get("coordinate_transformation_mode", "") == "align_corners"
    return F.interpolate(
        image, size, mode=mode, align_corners=None if mode == "nearest" else corners
    )


def _pad(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, pads = inputs[0], inputs[1] if len(inputs) > 1 else attributes["pads"]
    value = inputs[2] if len(inputs) > 2 and inputs[2] is not None else attributes.get("value", 0)
    half, sides = image.dim(), [int(p) for p in pads]
    ordered = [sides[k + end] for k in reversed(range(half)) for end in (0, half)]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[
        attributes.get("mode", "constant")
    ]
    if mode == "constant":
        return F.pad(image, ordered, value=float(value))
    return F.pad(image, ordered[:4], mode)


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, low, high = (*inputs, None, None)[:3]
    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    return image.clamp(None if low is None else float(low), None if high is None else float(high))


def _range(inputs: Inputs, attributes: Attributes) -> Tensor:
    return torch.arange(*(value.item() for value in inputs))


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    left, right, *rest = inputs
    left = left.mT if attributes.get("transA", 0) else left
    right = right.mT if attributes.get("transB", 0) else right
    product = attributes.get("alpha", 1.0) * (left @ right)
    return product + attributes.get("beta", 1.0) * rest[0] if rest else product


def _constant(inputs: Inputs, attributes: Attributes) -> Tensor:
    for name in ("value_float", "value_int", "value_floats", "value_ints"):
        if name in attributes:
            return torch.tensor(attributes[name])
    value: Tensor = attributes["value"]
    return value


def _constant_of_shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    value = attributes.get("value", torch.zeros(1))
    return torch.full(inputs[0].tolist(), value.item(), dtype=value.dtype)


def _top_k(inputs: Inputs, attributes: Attributes) -> tuple[Tensor, Tensor]:
    largest, ordered = bool(attributes.get("largest", 1)), bool(attributes.get("sorted", 1))
    found = torch.topk(inputs[0], int(inputs[1]), attributes.get("axis", -1), largest, ordered)
    return found.values, found.indices


def _divide(inputs: Inputs, attributes: Attributes) -> Tensor:
    above, below = inputs
    whole = not (above.is_floating_point() or below.is_floating_point())
    return torch.div(above, below, rounding_mode="trunc" if whole else None)


def _reduced(reduce: Callable[..., Tensor]) -> Operator:
    def operator(inputs: Inputs, attributes: Attributes) -> Tensor:
        image, axes = inputs[0], _axes(inputs, attributes)
        dims = tuple(range(image.dim())) if axes is None else tuple(axes)
        return reduce(image, dims, keepdim=bool(attributes.get("keepdims", 1)))

    return operator


def _of_one(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda inputs, attributes: function(inputs[0])


def _of_two(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def operator(inputs: Inputs, attributes: Attributes) -> Tensor:
        left, right = inputs
        # Constants and shapes are on the CPU.
        device = left.device if left.device.type != "cpu" else right.device
        return function(left.to(device), right.to(device))

    return operator


OPERATORS: dict[str, Operator] = {
    **{
        name: _of_one(getattr(torch, name.lower()))
        for name in ("Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Erf", "Abs", "Neg", "Floor", "Ceil")
    },
    **{name: _of_one(lambda x: x) for name in ("Identity", "Dropout")},
    "Relu": _of_one(F.relu),
    "Softplus": _of_one(F.softplus),
    "Mish": _of_one(F.mish),
    "HardSwish": _of_one(F.hardswish),
    "LeakyRelu": lambda x, a: F.leaky_relu(x[0], a.get("alpha", 0.01)),
    "HardSigmoid": lambda x, a: (a.get("alpha", 0.2) * x[0] + a.get("beta", 0.5)).clamp(0, 1),
    "Clip": _clip,
    "Softmax": _softmax,
    "Add": _of_two(torch.add),
    "Sub": _of_two(torch.sub),
    "Mul": _of_two(torch.mul),
    "Div": _divide,
    "Pow": _of_two(torch.pow),
    "Mod": _of_two(torch.remainder),
    "Max": _of_two(torch.maximum),
    "Min": _of_two(torch.minimum),
    "Equal": _of_two(torch.eq),
    "Greater": _of_two(torch.gt),
    "Less": _of_two(torch.lt),
    "Where": lambda x, a: torch.where(*x),
    "MatMul": _of_two(torch.matmul),
    "Gemm": _gemm,
    "Conv": _convolution,
    "BatchNormalization": _batch_norm,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda x, a: x[0].mean((2, 3), keepdim=True),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Concat": lambda x, a: torch.cat(list(x), a["axis"]),
    "Split": _split,
    "Slice": _slice,
    "Reshape": _reshape,
    "Flatten": lambda x, a: x[0].reshape(x[0].shape[: a.get("axis", 1)].numel(), -1),
    "Transpose": lambda x, a: x[0].permute(a.get("perm", list(range(x[0].dim()))[::-1])),
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Expand": lambda x, a: x[0] * torch.ones(x[1].tolist(), dtype=x[0].dtype, device=x[0].device),
    "Tile": lambda x, a: x[0].repeat(*x[1].tolist()),
    "Gather": _gather,
    "GatherElements": lambda x, a: x[0].gather(a.get("axis", 0), x[1]),
    "TopK": _top_k,
    "ArgMax": lambda x, a: x[0].argmax(a.get("axis", 0), keepdim=bool(a.get("keepdims", 1))),
    "Resize": _resize,
    "Pad": _pad,
    "Cast": lambda x, a: x[0].to(_TYPES[a["to"]]),
    "Shape": lambda x, a: torch.tensor(x[0].shape),
    "Range": _range,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
}
