"""Which kernel a backward call belongs to: the one whose gradient it makes.

A backward call shows it by what it reads: a weight, the weight's gradient that it makes, or what the kernel's forward
pass has kept for it. What shows nothing goes where its gradients come from. No call may need one of an earlier
kernel, so what is not sure moves to the latest kernel that needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wafer_sim.compiler.passes.clusters import Cluster
from wafer_sim.graph.kernel_graph import BACKWARD, PARAMETER, Call, KernelGraph
from wafer_sim.kernels.registry import REGISTRY

_LOOKUPS = ("indexing", "embedding", "comparison")
_OWN = {"matmul": ("matmul",), "convolution": ("convolution",), "pooling": ("pooling",), "embedding": _LOOKUPS}
_STRICT = ("matmul", "convolution", "pooling")
_LEADING = ("matmul", "convolution", "reduction", "indexing", "embedding", "elementwise", "cast", "view", "norm")
_SUMS = ("add", "add_n", "cast")


def homes(graph: KernelGraph, found: Sequence[Cluster]) -> dict[int, int]:
    """id of a backward call -> number of the cluster it belongs to."""
    return _Homes(graph, found).all()


class _Homes:
    def __init__(self, graph: KernelGraph, found: Sequence[Cluster]) -> None:
        self._backward = [call for call in graph.calls if call.phase == BACKWARD]
        self._last = max((cluster.number for cluster in found), default=0)
        self._cluster = {id(call): cluster.number for cluster in found for call in cluster.calls}
        self._maker = {name: call for cluster in found for call in cluster.calls for name in call.made}
        self._users: dict[str, list[Call]] = {}
        for cluster in found:
            for call in cluster.calls:
                for name in call.inputs:
                    self._users.setdefault(name, []).append(call)
        self._leads = _leads(graph, self._backward)
        self._home: dict[int, int] = {}

    def all(self) -> dict[int, int]:
        makers: dict[str, Call] = {}
        for call in self._backward:
            before = [self._home[id(makers[name])] for name in call.inputs if name in makers]
            self._home[id(call)] = self._of(call, min(before, default=None))
            makers.update(dict.fromkeys(call.made, call))
        for call in reversed(self._backward):
            for name in call.inputs:
                if name in makers:
                    maker = id(makers[name])
                    self._home[maker] = max(self._home[maker], self._home[id(call)])
        return self._home

    def _of(self, call: Call, limit: int | None) -> int:
        shown = self._by_weight(call) if call.kernel not in _SUMS else []
        if shown:
            return _latest(shown, limit, otherwise=max(shown))
        kept = [n for name in call.inputs for n in self._keepers(name, call)]
        if kept and (limit is None or min(kept) <= limit):
            return _latest(kept, limit, otherwise=min(kept))
        if limit is not None:
            return limit
        read = [self._cluster[id(self._maker[n])] for n in call.inputs if n in self._maker]
        return max(read, default=self._last)

    def _by_weight(self, call: Call) -> list[int]:
        """The clusters that use a weight which this call reads, or whose gradient it makes."""
        weights = [name for name in call.inputs if name.startswith(PARAMETER)]
        if REGISTRY[call.kernel].family in _LEADING:
            weights += [self._leads[name] for name in call.made if name in self._leads]
        users = [user for weight in weights for user in self._users.get(weight, ())]
        return [self._cluster[id(user)] for user in users if fits(user, call)]

    def _keepers(self, name: str, call: Call) -> Iterable[int]:
        maker = self._maker.get(name)
        if maker is not None and REGISTRY[maker.kernel].keeps_result and fits(maker, call):
            yield self._cluster[id(maker)]
        for user in self._users.get(name, ()):
            if REGISTRY[user.kernel].keeps_input and fits(user, call):
                yield self._cluster[id(user)]


def fits(forward: Call, backward: Call) -> bool:
    """Whether a call of this kernel can be part of the backward pass of that one."""
    one, other = REGISTRY[forward.kernel].family, REGISTRY[backward.kernel].family
    if one in _OWN and other not in _OWN[one]:
        return (one == "embedding" and other == "elementwise") or (other in ("reduction", "cast") and one in _STRICT)
    return one in _OWN or other not in _STRICT


def _latest(numbers: Sequence[int], limit: int | None, otherwise: int) -> int:
    return max((n for n in numbers if limit is None or n <= limit), default=otherwise)


def _leads(graph: KernelGraph, backward: Sequence[Call]) -> Mapping[str, str]:
    """A backward value -> the weight whose gradient it is, or is added to."""
    found = {v: PARAMETER + n.removeprefix("grad/") for n, v in graph.outputs.items() if n.startswith("grad/")}
    for call in reversed(backward):
        weight = next((found[name] for name in call.made if name in found), None)
        if weight is not None and call.kernel in _SUMS:
            like = graph.values[weight].elements
            found |= {n: weight for n in call.inputs if graph.values[n].elements == like and n.startswith("%")}
    return found
