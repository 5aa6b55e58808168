"""Shape rules of TensorFlow's operations that slide a window: convolutions, pooling, resizing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wafer_sim.kernels.operands import Operand, Result
from wafer_sim.kernels.tensorflow_values import known

Operands = Sequence[Operand]
Options = Mapping[str, Any]


def _plane(options: Options, rank: int) -> tuple[range, int]:
    """The axes of the plane, and that of the channels."""
    first = str(options.get("data_format", "NHWC")).startswith("NC")
    return (range(2, rank), 1) if first else (range(1, rank - 1), rank - 1)


def _window(shape: Sequence[int], sizes: Sequence[int], options: Options, rank: int) -> dict[int, int]:
    """Axis of the plane -> how many windows it has."""
    strides, dilations = options["strides"], options.get("dilations") or [1] * rank
    pads = options.get("explicit_paddings") or [0] * 2 * rank
    found = {}
    for i, axis in enumerate(_plane(options, rank)[0]):
        reach = (sizes[i] - 1) * dilations[axis] + 1
        if options["padding"] == "SAME":
            found[axis] = -(-shape[axis] // strides[axis])
        else:
            length = shape[axis] + (sum(pads[2 * axis : 2 * axis + 2]) if options["padding"] == "EXPLICIT" else 0)
            found[axis] = (length - reach) // strides[axis] + 1
    return found


def _with(shape: Sequence[int], lengths: Mapping[int, int], like: Operand) -> Result:
    return (Operand(tuple(lengths.get(i, n) for i, n in enumerate(shape)), like.dtype),)


def _convolution(name: str, operands: Operands, options: Options) -> Result:
    source, weight = operands[:2]
    lengths = _window(source.shape, weight.shape[:-2], options, source.rank)
    depth = weight.shape[-2] * weight.shape[-1] if name.startswith("Depthwise") else weight.shape[-1]
    return _with(source.shape, {**lengths, _plane(options, source.rank)[1]: depth}, source)


def _input_gradient(_: str, operands: Operands, __: Options) -> Result:
    return (Operand(tuple(int(n) for n in known(operands[0])), operands[2].dtype),)


def _weight_gradient(_: str, operands: Operands, __: Options) -> Result:
    return (Operand(tuple(int(n) for n in known(operands[1])), operands[2].dtype),)


def _pool(name: str, operands: Operands, options: Options) -> Result:
    source = operands[0]
    if name == "MaxPoolV2":
        options = {
            **options,
            "ksize": [int(n) for n in known(operands[1])],
            "strides": [int(n) for n in known(operands[2])],
        }
    sizes = [options["ksize"][axis] for axis in _plane(options, source.rank)[0]]
    return _with(source.shape, _window(source.shape, sizes, options, source.rank), source)


def _like_first(_: str, operands: Operands, __: Options) -> Result:
    return (Operand(operands[0].shape, operands[0].dtype),)


def _like_second(_: str, operands: Operands, __: Options) -> Result:
    return (Operand(operands[1].shape, operands[1].dtype),)


def _average_gradient(_: str, operands: Operands, __: Options) -> Result:
    return (Operand(tuple(int(n) for n in known(operands[0])), operands[1].dtype),)


def _resize(name: str, operands: Operands, __: Options) -> Result:
    source = operands[0]
    height, width = (int(n) for n in known(operands[1]))
    dtype = "float32" if name == "ResizeBilinear" else source.dtype
    return (Operand((source.shape[0], height, width, source.shape[3]), dtype),)


def _resize_gradient(name: str, operands: Operands, __: Options) -> Result:
    source = operands[0]
    if name == "ResizeBilinearGrad":
        return (Operand(operands[1].shape, operands[1].dtype),)
    height, width = (int(n) for n in known(operands[1]))
    return (Operand((source.shape[0], height, width, source.shape[3]), source.dtype),)


_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "Conv3D")

RULES: dict[str, Callable[[str, Operands, Options], Result]] = {
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(
        ("Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput", "Conv3DBackpropInputV2"), _input_gradient
    ),
    **dict.fromkeys(
        ("Conv2DBackpropFilter", "DepthwiseConv2dNativeBackpropFilter", "Conv3DBackpropFilterV2"), _weight_gradient
    ),
    **dict.fromkeys(("MaxPool", "MaxPoolV2", "MaxPool3D", "AvgPool", "AvgPool3D"), _pool),
    **dict.fromkeys(("MaxPoolGrad", "MaxPoolGradV2", "MaxPool3DGrad"), _like_first),
    "MaxPoolGradGrad": _like_second,
    **dict.fromkeys(("AvgPoolGrad", "AvgPool3DGrad"), _average_gradient),
    **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), _resize),
    **dict.fromkeys(("ResizeBilinearGrad", "ResizeNearestNeighborGrad"), _resize_gradient),
}
