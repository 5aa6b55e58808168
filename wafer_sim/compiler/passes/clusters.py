"""Which forward calls are one kernel of the fabric.

What multiplies, normalises or looks up begins a kernel; what works element by element joins the latest kernel that
feeds it, so a kernel is fed by earlier ones only. Some calls are one kernel although nothing begins it: the parts of
a norm, the loss with its softmax, and the two products of an attention with the softmax between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wafer_sim.compiler.passes.patterns import loss_parts, norm_parts
from wafer_sim.graph.kernel_graph import FORWARD, PARAMETER, Call, KernelGraph
from wafer_sim.kernels.registry import REGISTRY

_BEGINNING = ("matmul", "convolution", "norm", "embedding", "pooling", "softmax", "loss")
_LOSS_HEADS = ("softmax", "loss")
_MOVING = ("cast", "view")
SCORES, ATTENTION, LOSS = "scores", "attention", "loss"


@dataclass
class Cluster:
    """Forward calls that are one kernel. kind: its kernel. begun: it has a call of its own that begins one."""

    number: int
    kind: str
    begun: bool
    calls: list[Call] = field(default_factory=list)
    feeds: set[int] = field(default_factory=set)


def clusters(graph: KernelGraph) -> list[Cluster]:
    """The forward calls as kernels, each behind those that feed it."""
    growing = _Growing(graph)
    for call in growing.forward:
        growing.add(call)
    growing.fold()
    return growing.ordered()


class _Growing:
    def __init__(self, graph: KernelGraph) -> None:
        self.forward = [call for call in graph.calls if call.phase == FORWARD]
        self._norms = norm_parts(self.forward)
        self._losses = loss_parts(self.forward, graph)
        self._all: list[Cluster] = []
        self._named: dict[str, Cluster] = {}
        self._home: dict[str, int] = {}

    def add(self, call: Call) -> None:
        """Put a call into a cluster."""
        sources = [self._home[name] for name in call.inputs if name in self._home]
        cluster = self._chosen(call, sources)
        cluster.calls.append(call)
        cluster.feeds.update(number for number in sources if number != cluster.number)
        self._home.update(dict.fromkeys(call.made, cluster.number))

    def _chosen(self, call: Call, sources: Sequence[int]) -> Cluster:
        family = REGISTRY[call.kernel].family
        fed = [number for number in sources if self._all[number].begun]
        if id(call) in self._losses:
            return self._of_loss(call, family, sources)
        if id(call) in self._norms:
            kind, name = self._norms[id(call)]
            return self._once(name, kind)
        if family == "matmul" and not any(name.startswith(PARAMETER) for name in call.inputs):
            return self._product(fed)
        if family == "softmax" and fed and self._all[max(fed)].kind == SCORES:
            self._all[max(fed)].kind = ATTENTION
            return self._all[max(fed)]
        if family in _BEGINNING:
            return self._new(call.kernel)
        return self._all[max(fed or sources)] if sources else self._new("elementwise", begun=False)

    def _of_loss(self, call: Call, family: str, sources: Sequence[int]) -> Cluster:
        if family in _LOSS_HEADS and call.kernel != "nll_loss":
            return self._new(LOSS)
        own = [number for number in sources if self._all[number].kind == LOSS]
        if own:
            return self._all[max(own)]
        begun = [number for number in sources if self._all[number].begun]
        if begun:
            return self._all[max(begun)] if family in _MOVING else self._once("loss", LOSS)
        return self._all[max(sources)] if sources else self._new("elementwise", begun=False)

    def _product(self, fed: Sequence[int]) -> Cluster:
        """A product of two activations: the first or the second of an attention, or one of its own."""
        attending = [n for n in set(fed) if self._all[n].kind == ATTENTION]
        if attending and not any(self._needs(n, attending[0]) for n in fed if n != attending[0]):
            return self._all[attending[0]]
        return self._new(SCORES)

    def _needs(self, number: int, other: int) -> bool:
        """Whether a cluster needs another one's results."""
        seen, left = set(), [number]
        while left:
            current = left.pop()
            if current == other:
                return True
            if current not in seen:
                seen.add(current)
                left += self._all[current].feeds
        return False

    def _new(self, kind: str, begun: bool = True) -> Cluster:
        self._all.append(Cluster(len(self._all), kind, begun))
        return self._all[-1]

    def _once(self, name: str, kind: str) -> Cluster:
        if name not in self._named:
            self._named[name] = self._new(kind)
        return self._named[name]

    def fold(self) -> None:
        """What prepares something for one kernel only is part of that kernel."""
        for cluster in self._all:
            users = [c for c in self._all if cluster.number in c.feeds and c.calls]
            if not cluster.begun and len(users) == 1 and not cluster.feeds:
                users[0].calls = [*cluster.calls, *users[0].calls]
                users[0].feeds.discard(cluster.number)
                cluster.calls = []

    def ordered(self) -> list[Cluster]:
        """The clusters that are left, each behind its sources, numbered in that order."""
        done: dict[int, int] = {}
        order: list[Cluster] = []
        for cluster in self._all:
            self._visit(cluster, done, order)
        for cluster in order:
            cluster.feeds = {done[number] for number in cluster.feeds}
            cluster.number = done[cluster.number]
            cluster.kind = _final(cluster)
        return order

    def _visit(self, cluster: Cluster, done: dict[int, int], order: list[Cluster]) -> None:
        stack = [(cluster, iter(sorted(cluster.feeds)))]
        while stack:
            current, rest = stack[-1]
            source = next((n for n in rest if n not in done), None)
            if source is not None:
                stack.append((self._all[source], iter(sorted(self._all[source].feeds))))
                continue
            stack.pop()
            if current.calls and current.number not in done:
                done[current.number] = len(order)
                order.append(current)


_LOSSES: Mapping[str, tuple[str, ...]] = {
    "cross_entropy": ("log_softmax", "softmax", "cross_entropy"),
    "nll_loss": ("nll_loss",),
    "mse_loss": ("mse_loss", "square", "squared_difference", "l2_loss"),
    "binary_cross_entropy": ("binary_cross_entropy", "log1p", "softplus", "log"),
    "smooth_l1_loss": ("smooth_l1_loss",),
}


LOSSES = (*_LOSSES, LOSS)
"""What a kernel that is a loss can be."""


def _final(cluster: Cluster) -> str:
    """The kernel that a whole cluster is."""
    if cluster.kind == SCORES:
        return "matmul"
    if cluster.kind != LOSS:
        return cluster.kind
    inside = {call.kernel for call in cluster.calls}
    return next((kind for kind, kernels in _LOSSES.items() if inside.intersection(kernels)), LOSS)
