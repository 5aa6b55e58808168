"""A graph that is cut into layers, as work for the fabric: what each kernel costs for one sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from wafer_sim.compiler.passes.fuse import SHARED
from wafer_sim.fabric.work import INFERENCE, TRAINING, Kernel, Work
from wafer_sim.graph.kernel_graph import BACKWARD, FORWARD, INPUT, PARAMETER, UPDATE, Call, Cost, KernelGraph
from wafer_sim.kernels.registry import REGISTRY

KEY = INPUT + "key"
_HALVES = ("bfloat16", "float16")
_WHOLE = ("softmax", "loss", "reduction", "attention", "group_norm")
"""Families and kernels of which nothing leaves before all of a sample has come."""
_IMAGES = 4


def work_of(graph: KernelGraph, training: bool, precision: str) -> Work:
    """The work of a graph of stage `cut`. precision: what products are computed in."""
    parts = _Parts(graph)
    kernels = tuple(parts.kernel(call) for call in graph.calls if call.phase == FORWARD)
    taken = sum(graph.values[name].bytes for name in graph.inputs if name != KEY)
    mode = TRAINING if training else INFERENCE
    return Work(kernels, mode, graph.batch, -(-taken // graph.batch), precision)


def precision_of(graph: KernelGraph) -> str:
    """The narrowest dtype that a product has in a matched graph."""
    made = {graph.values[n].dtype for c in graph.calls if c.cost and c.cost.macs and c.phase == FORWARD for n in c.made}
    return next((dtype for dtype in _HALVES if dtype in made), "float32")


class _Parts:
    def __init__(self, graph: KernelGraph) -> None:
        self._graph = graph
        self._by = {(call.layer, call.phase): call for call in graph.calls}
        self._forward = [call for call in graph.calls if call.phase == FORWARD]
        self._maker = {name: call.layer for call in self._forward for name in call.made}
        self._read = {name for call in self._forward for name in call.inputs} | set(graph.outputs.values())
        self._holder: dict[str, str] = {}
        for call in self._forward:
            for name in call.inputs:
                self._holder.setdefault(name, call.layer)
        self._states = {n: c.layer for c in reversed(graph.calls) if c.phase == UPDATE for n in c.inputs}
        self._largest = max(self._forward, key=self._weights, default=None)

    def kernel(self, call: Call) -> Kernel:
        """One kernel of the fabric, of a forward call and what goes with it."""
        backward = self._cost(call.layer, BACKWARD)
        forward = self._cost(call.layer, FORWARD)
        taken = [name for name in call.inputs if not name.startswith(PARAMETER) and name != KEY]
        sources = dict.fromkeys(self._maker[name] for name in taken if name in self._maker)
        given = [name for name in call.made if name in self._read]
        return Kernel(
            name=call.layer,
            kind=call.kernel,
            inputs=tuple(sources),
            macs=self._each(forward.macs),
            other=self._each(forward.other),
            backward_macs=self._each(backward.macs),
            backward_other=self._each(backward.other),
            bytes_in=self._each(self._bytes(taken)),
            bytes_out=self._each(self._bytes(given)),
            weight_bytes=self._weights(call),
            optimizer_bytes=self._kept_for_update(call),
            update=self._update(call),
            kept_bytes=self._each(self._bytes(self._kept(call))),
            most_cores=self._most(call),
            source=call.source,
            parts=self._parts(call),
        )

    def _each(self, amount: int) -> int:
        """Of one sample, rounded up."""
        return -(-amount // self._graph.batch)

    def _bytes(self, names: Iterable[str]) -> int:
        return sum(self._graph.values[name].bytes for name in names)

    def _cost(self, layer: str, phase: str) -> Cost:
        call = self._by.get((layer, phase))
        return call.cost if call is not None and call.cost is not None else Cost()

    def _weights(self, call: Call) -> int:
        """A weight that several kernels use is held by the first one."""
        mine = [n for n in call.inputs if n.startswith(PARAMETER) and self._holder[n] == call.layer]
        return self._bytes(mine)

    def _kept_for_update(self, call: Call) -> int:
        """What an optimizer keeps: read by the update only, and counted where it is read first."""
        layers = (call.layer, SHARED) if call is self._largest else (call.layer,)
        states = [n for n, first in self._states.items() if first in layers and n.startswith(PARAMETER)]
        return self._bytes(name for name in states if name not in self._holder)

    def _update(self, call: Call) -> int:
        """What the update does for all weights together is done where the most weights are."""
        shared = self._cost(SHARED, UPDATE).other if call is self._largest else 0
        return self._cost(call.layer, UPDATE).other + shared

    def _kept(self, call: Call) -> Sequence[str]:
        """What the backward pass reads of what this kernel made, and of inputs that it alone is given first."""
        backward = {name for (_, phase), c in self._by.items() if phase == BACKWARD for name in c.inputs}
        taken = [name for name in call.inputs if name.startswith(INPUT) and self._holder[name] == call.layer]
        return [name for name in (*call.made, *taken) if name in backward and name != KEY]

    def _parts(self, call: Call) -> int:
        """Tokens of a sample, or rows of an image, of which each can be worked on when it is there."""
        family = REGISTRY[call.kernel].family if call.kernel in REGISTRY else ""
        if family in _WHOLE or call.kernel in _WHOLE:
            return 1
        values = [n for n in (*call.inputs, *call.made) if not n.startswith(PARAMETER) and n != KEY]
        most = max((self._graph.values[name].elements for name in values), default=0)
        large = [self._graph.values[name].shape for name in values if 4 * self._graph.values[name].elements >= most]
        return max(1, math.gcd(*(self._pieces(shape) for shape in large)))

    def _pieces(self, shape: tuple[int, ...]) -> int:
        return shape[-2] if len(shape) == _IMAGES else math.prod(shape[:-1]) // self._graph.batch

    def _most(self, call: Call) -> int:
        """A core for each weight, or for each element of the largest value of a sample."""
        weights = sum(self._graph.values[n].elements for n in call.inputs if n.startswith(PARAMETER))
        values = [n for n in (*call.inputs, *call.made) if not n.startswith(PARAMETER) and n != KEY]
        largest = max((self._each(self._graph.values[name].elements) for name in values), default=1)
        return max(weights, largest, 1)
