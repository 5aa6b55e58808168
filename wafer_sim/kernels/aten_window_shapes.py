"""Shape rules of ATen's operations that slide a window: convolutions, pooling, resizing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wafer_sim.kernels.operands import Operand, Result

Arguments = Sequence[Any]
Options = Mapping[str, Any]


def _spread(numbers: Any, axes: int, default: Sequence[int] = ()) -> list[int]:
    """One number for each axis."""
    given = [numbers] if isinstance(numbers, int) else list(numbers or default)
    return given * axes if len(given) == 1 else given


def _convolution(_: str, arguments: Arguments, __: Options) -> Result:
    source, weight, _bias, strides, pads, dilations, transposed, more, groups = arguments
    axes = source.rank - 2
    stride, pad, dilation, extra = (_spread(n, axes) for n in (strides, pads, dilations, more))
    lengths = []
    for i, (length, size) in enumerate(zip(source.shape[2:], weight.shape[2:], strict=True)):
        reach = dilation[i] * (size - 1)
        if transposed:
            lengths.append((length - 1) * stride[i] - 2 * pad[i] + reach + extra[i] + 1)
        else:
            lengths.append((length + 2 * pad[i] - reach - 1) // stride[i] + 1)
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    return (Operand((source.shape[0], channels, *lengths), source.dtype),)


def _convolution_backward(_: str, arguments: Arguments, __: Options) -> Result:
    gradient, source, weight = arguments[:3]
    bias = tuple(arguments[3]) if arguments[3] else (gradient.shape[1],)
    made = (Operand(source.shape, gradient.dtype), Operand(weight.shape, gradient.dtype))
    return (*made, Operand(bias, gradient.dtype))


def _pool(op: str, arguments: Arguments, options: Options) -> Result:
    """(self, kernel, stride, padding, ...): ceil_mode is the sixth of a maximum and the fifth of a mean."""
    source = arguments[0]
    largest = "max_pool" in op
    axes = 1 if "avg_pool1d" in op else 2
    names = (
        ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        if largest
        else ("kernel_size", "stride", "padding", "ceil_mode")
    )
    given = dict(zip(names, arguments[1:], strict=False)) | dict(options)
    kernel = _spread(given["kernel_size"], axes)
    stride, pad = _spread(given.get("stride"), axes, kernel), _spread(given.get("padding"), axes, (0,))
    dilation = _spread(given.get("dilation"), axes, (1,))
    last = [
        _windows(
            source.shape[source.rank - axes + i],
            kernel[i],
            stride[i],
            pad[i],
            dilation[i],
            bool(given.get("ceil_mode")),
        )
        for i in range(axes)
    ]
    shape = (*source.shape[: source.rank - axes], *last)
    made = (Operand(shape, source.dtype),)
    return (*made, Operand(shape, "int64")) if largest else made


def _windows(length: int, size: int, stride: int, pad: int, dilation: int, ceil: bool) -> int:  # noqa: PLR0913, PLR0917 - a window has so many numbers
    reach = length + 2 * pad - dilation * (size - 1) - 1
    count = (-(-reach // stride) if ceil else reach // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= length + pad else count


def _like_second(_: str, arguments: Arguments, __: Options) -> Result:
    return (Operand(arguments[1].shape, arguments[0].dtype),)


def _adaptive(_: str, arguments: Arguments, __: Options) -> Result:
    return (Operand((*arguments[0].shape[:-2], *arguments[1]), arguments[0].dtype),)


def _resize(_: str, arguments: Arguments, options: Options) -> Result:
    source = arguments[0]
    factors = arguments[-1] if len(arguments) > 2 else options["scale_factors"]
    sizes = arguments[1] or [int(n * f) for n, f in zip(source.shape[2:], factors, strict=True)]
    return (Operand((*source.shape[:2], *sizes), source.dtype),)


RULES: dict[str, Callable[[str, Arguments, Options], Result]] = {
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    **dict.fromkeys(("max_pool2d_with_indices", "avg_pool1d", "avg_pool2d"), _pool),
    **dict.fromkeys(
        ("max_pool2d_with_indices_backward", "avg_pool2d_backward", "_adaptive_avg_pool2d_backward"), _like_second
    ),
    "_adaptive_avg_pool2d": _adaptive,
    "upsample_nearest2d": _resize,
    "upsample_bilinear2d": _resize,
}
