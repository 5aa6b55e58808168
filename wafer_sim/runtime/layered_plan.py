"""A plan that is run layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wafer_sim.compiler.program import Graph
from wafer_sim.runtime.layers import Layer, cut, near_use
from wafer_sim.runtime.plan import Bound, Plan
from wafer_sim.runtime.simplify import Call

LEAST_LAYER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Parameters:
    """A program's parameters as a plan sees them. sizes: bytes of each; outputs: number -> its gradient's name."""

    sizes: Sequence[int]
    outputs: Mapping[int, str] = field(default_factory=dict)


class LayeredPlan(Plan):
    """A graph for one entry of a program. wanted: its first is the loss.

    layers: stretches of `steps`. wanted_slots: where its outputs are. gradients: parameter -> the slot of its gradient.
    known: so many layers, and the loss is there.
    """

    def __init__(self, graph: Graph, values: int, wanted: Sequence[str], parameters: Parameters) -> None:
        self._parameters = len(parameters.sizes)
        super().__init__(graph, values, wanted)
        self.wanted_slots = tuple(self._results)
        slots = dict(zip(wanted, self._results, strict=True))
        self.loss = slots[wanted[0]]
        self.gradients = {number: slots[name] for number, name in parameters.outputs.items()}
        self.layers = cut(self.calls, parameters.sizes, self.gradients, self.loss, LEAST_LAYER_BYTES)
        self.known = next((i for i, layer in enumerate(self.layers, 1) if self._ends_with_loss(layer)), 0)
        mine = dict(zip(self._results, self.owned, strict=True))
        self.shared = {number for number, slot in self.gradients.items() if not mine[slot]}

    def steps_of(self, layer: Layer) -> list[Bound]:
        """The steps of a layer, for `go`."""
        return self.steps[layer.first : layer.last]

    def _arranged(self, calls: list[Call]) -> list[Call]:
        return near_use(calls, self._parameters, self._results, lambda: self._constant(None))

    def _ends_with_loss(self, layer: Layer) -> bool:
        return layer.first < layer.last and self.loss in self.calls[layer.last - 1].node.outputs
