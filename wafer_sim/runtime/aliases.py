"""Which values of a graph may share memory."""

from __future__ import annotations

from collections.abc import Sequence

from wafer_sim.compiler.program import references
from wafer_sim.kernels.aten import KERNELS
from wafer_sim.runtime.reuse import IN_PLACE
from wafer_sim.runtime.simplify import Call

_VIEWS = ("view", "cast")
_COPIES = {"wafer.contiguous", "aten._to_copy.default", "aten.native_dropout.default", "wafer.dropout"}
_SHARE = _COPIES.union(IN_PLACE.values())


def bases(calls: Sequence[Call]) -> dict[int, int]:
    """For each value that a call gives, the value whose memory it may share; itself where it has its own."""
    base: dict[int, int] = {}
    for call in calls:
        first = next(iter(references(call.node)), None)
        shares = call.node.op in _SHARE or (call.node.op in KERNELS and KERNELS[call.node.op].family in _VIEWS)
        for out in call.node.outputs:
            if out is not None:
                base[out] = base.get(first.index, first.index) if shares and first is not None else out
    return base
