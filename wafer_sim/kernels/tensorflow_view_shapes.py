"""Shape rules of TensorFlow's views, and of what joins and repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wafer_sim.kernels.operands import Operand, Result, axis, broadcast, filled, parts
from wafer_sim.kernels.tensorflow_values import known, strided

Operands = Sequence[Operand]
Options = Mapping[str, Any]


def _one(shape: Sequence[int], like: Operand) -> Result:
    return (Operand(tuple(int(n) for n in shape), like.dtype),)


def _numbers(operand: Operand) -> list[int]:
    return [int(n) for n in np.atleast_1d(known(operand))]


def _reshape(_: str, operands: Operands, __: Options) -> Result:
    return _one(filled(_numbers(operands[1]), operands[0].elements), operands[0])


def _expand_dims(_: str, operands: Operands, __: Options) -> Result:
    source = operands[0]
    shape = list(source.shape)
    shape.insert(axis(_numbers(operands[1])[0], source.rank + 1), 1)
    return _one(shape, source)


def _squeeze(_: str, operands: Operands, options: Options) -> Result:
    source = operands[0]
    gone = {axis(d, source.rank) for d in options.get("squeeze_dims", ())} or set(range(source.rank))
    return _one([n for i, n in enumerate(source.shape) if i not in gone or n != 1], source)


def _transpose(_: str, operands: Operands, __: Options) -> Result:
    source, order = operands[0], _numbers(operands[1])
    if sorted(order) != list(range(source.rank)):
        raise ValueError(f"{order} is no order of {source.rank} axes")
    return _one([source.shape[d] for d in order], source)


def _broadcast_to(_: str, operands: Operands, __: Options) -> Result:
    return _one(broadcast((operands[0].shape, _numbers(operands[1]))), operands[0])


def _slice(_: str, operands: Operands, __: Options) -> Result:
    source = operands[0]
    begins, sizes = _numbers(operands[1]) if operands[1].value is not None else [0] * source.rank, _numbers(operands[2])
    ends = zip(begins, sizes, source.shape, strict=True)
    return _one([length - begin if size == -1 else size for begin, size, length in ends], source)


def _strided(_: str, operands: Operands, options: Options) -> Result:
    source = operands[0]
    index = strided([known(o) for o in operands[1:4]], options, source.rank)
    return _one(np.broadcast_to(np.zeros((), bool), source.shape)[index].shape, source)


def _strided_gradient(_: str, operands: Operands, __: Options) -> Result:
    return _one(_numbers(operands[0]), operands[4])


def _split(name: str, operands: Operands, options: Options) -> Result:
    if name == "Unpack":
        source = operands[0]
        where = axis(int(options.get("axis", 0)), source.rank)
        return _one([n for i, n in enumerate(source.shape) if i != where], source) * parts(source.shape[where])
    source, dim = (operands[1], operands[0]) if name == "Split" else (operands[0], operands[2])
    where = axis(_numbers(dim)[0], source.rank)
    count, whole = parts(int(options["num_split"])), source.shape[where]
    sizes = [whole // count] * count if name == "Split" else _numbers(operands[1])
    sizes = [whole - sum(s for s in sizes if s != -1) if n == -1 else n for n in sizes]
    return tuple(_one((*source.shape[:where], n, *source.shape[where + 1 :]), source)[0] for n in sizes)


def _concat(name: str, operands: Operands, options: Options) -> Result:
    if name == "Pack":
        first = operands[0]
        where = axis(int(options.get("axis", 0)), first.rank + 1)
        return _one((*first.shape[:where], len(operands), *first.shape[where:]), first)
    dim, joined = (operands[0], operands[1:]) if name == "Concat" else (operands[-1], operands[:-1])
    where = axis(_numbers(dim)[0], joined[0].rank)
    first = joined[0]
    return _one((*first.shape[:where], sum(p.shape[where] for p in joined), *first.shape[where + 1 :]), first)


def _tile(name: str, operands: Operands, __: Options) -> Result:
    source, times = operands[0], _numbers(operands[1])
    pairs = list(zip(source.shape, times, strict=True))
    return _one([n // t for n, t in pairs] if name == "TileGrad" else [n * t for n, t in pairs], source)


def _pad(name: str, operands: Operands, __: Options) -> Result:
    source, pads = operands[0], known(operands[1])
    sign = -1 if name == "MirrorPadGrad" else 1
    return _one([n + sign * int(sum(p)) for n, p in zip(source.shape, pads, strict=True)], source)


def _space(name: str, operands: Operands, options: Options) -> Result:
    """Between depth and the plane: channels are the last axis."""
    source = operands[0]
    if str(options.get("data_format", "NHWC")) != "NHWC":
        raise ValueError("channels are not the last axis")
    samples, height, width, depth = source.shape
    size = int(options["block_size"])
    if name == "SpaceToDepth":
        return _one((samples, height // size, width // size, depth * size * size), source)
    return _one((samples, height * size, width * size, depth // (size * size)), source)


def _space_batch(name: str, operands: Operands, __: Options) -> Result:
    source, blocks, edges = operands[0], _numbers(operands[1]), known(operands[2])
    shape = list(source.shape)
    for i, (block, edge) in enumerate(zip(blocks, edges, strict=True), 1):
        if name == "SpaceToBatchND":
            shape[i] = (shape[i] + int(sum(edge))) // block
            shape[0] *= block
        else:
            shape[i] = shape[i] * block - int(sum(edge))
            shape[0] //= block
    return _one(shape, source)


RULES: dict[str, Callable[[str, Operands, Options], Result]] = {
    "Reshape": _reshape,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    **dict.fromkeys(("Transpose", "ConjugateTranspose"), _transpose),
    "BroadcastTo": _broadcast_to,
    "Slice": _slice,
    "StridedSlice": _strided,
    "StridedSliceGrad": _strided_gradient,
    **dict.fromkeys(("Split", "SplitV", "Unpack"), _split),
    **dict.fromkeys(("Concat", "ConcatV2", "Pack"), _concat),
    **dict.fromkeys(("Tile", "TileGrad"), _tile),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad", "MirrorPadGrad"), _pad),
    **dict.fromkeys(("SpaceToDepth", "DepthToSpace"), _space),
    **dict.fromkeys(("SpaceToBatchND", "BatchToSpaceND"), _space_batch),
}
