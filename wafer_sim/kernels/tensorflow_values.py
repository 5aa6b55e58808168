"""Small integers that a TensorFlow graph computes out of shapes: axes, lengths, orders. They decide shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_sim.graph.kernel_graph import Dtype
from wafer_sim.kernels.operands import Operand

Array = npt.NDArray[Any]
LARGEST = 4096

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("Add", "AddV2"), np.add),
    "Sub": np.subtract,
    "Mul": np.multiply,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Neg": np.negative,
    "Abs": np.abs,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "LogicalNot": np.logical_not,
    **dict.fromkeys(("Select", "SelectV2"), np.where),
    **dict.fromkeys(("Identity", "StopGradient", "Snapshot"), np.copy),
}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "Sum": np.sum,
    "Prod": np.prod,
    "Max": np.max,
    "Min": np.min,
    "All": np.all,
    "Any": np.any,
}


def known(operand: Operand) -> Array:
    """The numbers of an operand. Raises ValueError where the compiler does not know them."""
    if operand.value is None:
        raise ValueError("an axis or a length depends on the data")
    return operand.value


def values(name: str, operands: Sequence[Operand], options: Mapping[str, Any]) -> list[Array] | None:
    """What an operation gives for known operands; None where it cannot be known or is not of whole numbers."""
    if name in _OF_SHAPES:
        return _OF_SHAPES[name](operands, options)
    if any(o.value is None for o in operands) or not operands:
        return None
    if name in _ELEMENTWISE:
        found = _ELEMENTWISE[name](*(o.value for o in operands))
    elif name in _REDUCTIONS:
        axes = tuple(int(a) for a in np.atleast_1d(known(operands[1])))
        found = _REDUCTIONS[name](operands[0].value, axis=axes, keepdims=bool(options.get("keep_dims")))
    elif name in _ARRAYS:
        found = _ARRAYS[name]([known(o) for o in operands], options)
    else:
        return None
    return _small(name, found if isinstance(found, list) else [found], operands)


def _small(name: str, found: list[Any], operands: Sequence[Operand]) -> list[Array] | None:
    arrays = [np.asarray(a) for a in found]
    if any(a.size > LARGEST or a.dtype.kind not in "iub" for a in arrays):
        return None
    keep = name in _REDUCTIONS and arrays[0].dtype.kind != "b"
    return [a.astype(operands[0].dtype) for a in arrays] if keep else arrays


def _out_type(options: Mapping[str, Any]) -> str:
    given = options.get("out_type")
    return given.name if isinstance(given, Dtype) else "int32"


def _shape(operands: Sequence[Operand], options: Mapping[str, Any]) -> list[Array]:
    return [np.asarray(o.shape, _out_type(options)) for o in operands]


def _size(operands: Sequence[Operand], options: Mapping[str, Any]) -> list[Array]:
    return [np.asarray(operands[0].elements, _out_type(options))]


def _rank(operands: Sequence[Operand], _: Mapping[str, Any]) -> list[Array]:
    return [np.asarray(operands[0].rank, "int32")]


_OF_SHAPES: dict[str, Callable[[Sequence[Operand], Mapping[str, Any]], list[Array]]] = {
    "Shape": _shape,
    "ShapeN": _shape,
    "VariableShape": _shape,
    "Size": _size,
    "Rank": _rank,
}


def strided(operands: Sequence[Array], options: Mapping[str, Any], rank: int) -> tuple[Any, ...]:
    """The index of a StridedSlice, as numpy takes it. operands: begin, end, strides."""
    begin, end, strides = operands
    masks = {
        name: int(options.get(f"{name}_mask", 0)) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    taken: list[Any] = []
    for i in range(len(begin)):
        bit = 1 << i
        if masks["ellipsis"] & bit:
            taken.append(Ellipsis)
        elif masks["new_axis"] & bit:
            taken.append(None)
        elif masks["shrink_axis"] & bit:
            taken.append(int(begin[i]))
        else:
            start = None if masks["begin"] & bit else int(begin[i])
            stop = None if masks["end"] & bit else int(end[i])
            taken.append(slice(start, stop, int(strides[i])))
    if sum(t is not None and t is not Ellipsis for t in taken) > rank:
        raise ValueError("more axes are sliced than there are")
    return tuple(taken)


def _sliced(arrays: list[Array], options: Mapping[str, Any]) -> Array:
    return np.asarray(arrays[0][strided(arrays[1:], options, arrays[0].ndim)])


def _slice(arrays: list[Array], _: Mapping[str, Any]) -> Array:
    source, begin, size = arrays
    return source[tuple(slice(int(b), None if s == -1 else int(b + s)) for b, s in zip(begin, size, strict=True))]


def _cast(arrays: list[Array], options: Mapping[str, Any]) -> Array:
    name = options["DstT"].name
    return arrays[0].astype(name) if "float" not in name else arrays[0].astype("float64")


def _squeeze(arrays: list[Array], options: Mapping[str, Any]) -> Array:
    return np.squeeze(arrays[0], tuple(options.get("squeeze_dims", ())) or None)


def _stitch(arrays: list[Array], _: Mapping[str, Any]) -> Array:
    half = len(arrays) // 2
    rows = 1 + max(int(np.max(a, initial=-1)) for a in arrays[:half])
    merged = np.zeros((rows, *arrays[half].shape[arrays[0].ndim :]), arrays[half].dtype)
    for numbers, data in zip(arrays[:half], arrays[half:], strict=True):
        merged[numbers] = data
    return merged


def _gradient_axes(arrays: list[Array], _: Mapping[str, Any]) -> list[Array]:
    """For each of two shapes the axes along which it was broadcast."""
    rank = max(len(a) for a in arrays)
    one, other = (np.concatenate([np.ones(rank - len(a), a.dtype), a]) for a in arrays)
    both = np.maximum(one, other)
    kind = arrays[0].dtype
    return [np.flatnonzero((a == 1) & ((b != 1) | (both == 1))).astype(kind) for a, b in ((one, other), (other, one))]


def _offsets(arrays: list[Array], _: Mapping[str, Any]) -> list[Array]:
    where, shapes = int(arrays[0]), arrays[1:]
    found = []
    for i in range(len(shapes)):
        offset = np.zeros_like(shapes[0])
        offset[where] = sum(int(s[where]) for s in shapes[:i])
        found.append(offset)
    return found


def _few(lengths: Array) -> list[int]:
    """Lengths of no more elements than are worth computing. Raises ValueError for others."""
    found = [int(n) for n in np.atleast_1d(lengths)]
    if math.prod(found) > LARGEST:
        raise ValueError(f"{found} is too much to compute when the model is compiled")
    return found


def _range(arrays: list[Array]) -> Array:
    start, end, step = (int(a) for a in arrays)
    count = len(range(start, end, step))
    _few(np.asarray(count))
    return (start + step * np.arange(count)).astype(arrays[0].dtype)


def _gather(arrays: list[Array], options: Mapping[str, Any]) -> Array:
    if options.get("batch_dims"):
        raise ValueError("lengths gathered with batch dimensions")
    return np.take(arrays[0], arrays[1], int(arrays[2]) if len(arrays) > 2 else 0)


_ARRAYS: dict[str, Callable[[list[Array], Mapping[str, Any]], Any]] = {
    "Pack": lambda a, o: np.stack(a, int(o.get("axis", 0))),
    "ConcatV2": lambda a, _: np.concatenate(a[:-1], int(a[-1])),
    "Unpack": lambda a, o: [np.asarray(part) for part in np.moveaxis(a[0], int(o.get("axis", 0)), 0)],
    "StridedSlice": _sliced,
    "Slice": _slice,
    "Cast": _cast,
    "Reshape": lambda a, _: a[0].reshape(a[1]),
    "ExpandDims": lambda a, _: np.expand_dims(a[0], int(a[1])),
    "Squeeze": _squeeze,
    "Range": lambda a, _: _range(a),
    "Fill": lambda a, _: np.full(_few(a[0]), a[1]),
    "InvertPermutation": lambda a, _: np.argsort(a[0]).astype(a[0].dtype),
    "Transpose": lambda a, _: np.transpose(a[0], a[1]),
    "Tile": lambda a, _: np.tile(a[0], _few(a[1])),
    "Reverse": lambda a, _: np.flip(a[0], tuple(np.flatnonzero(a[1]))),
    "ReverseV2": lambda a, _: np.flip(a[0], tuple(int(n) for n in a[1])),
    "Gather": _gather,
    "GatherV2": _gather,
    "DynamicStitch": _stitch,
    "BroadcastGradientArgs": _gradient_axes,
    "BroadcastArgs": lambda a, _: np.asarray(np.broadcast_shapes(tuple(a[0]), tuple(a[1])), a[0].dtype),
    "ConcatOffset": _offsets,
}
