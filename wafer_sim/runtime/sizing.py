"""How much memory a program takes in each mode, found by running it on tensors without memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from wafer_sim.compiler.program import GRADIENTS, Entry, Graph, Parameter, Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.layered_plan import LayeredPlan
from wafer_sim.runtime.layers import Layer
from wafer_sim.runtime.layerwise import needs_all, state_bytes
from wafer_sim.runtime.plan import Failed, Plan
from wafer_sim.runtime.streamed_executor import Rooms, layered, parameter_bytes
from wafer_sim.runtime.torch_executor import computed_graph, dtype_of, wanted_of
from wire.errors import Refused

_FUSED = ("sgd", "adam")
_RESERVE = 16 << 20
"""What the system's allocator and torch's kernels hold beside tensors."""


class Sizes:
    """Bytes that a program needs, for so many replicas. optimizer: None where nothing is trained.

    Raises Refused for an operation the size of whose result nobody knows.
    """

    def __init__(self, program: Program, optimizer: OptimizerSpec | None, replicas: int) -> None:
        self._program = program
        self._optimizer = optimizer
        self._replicas = replicas
        self._own = [parameter_bytes(p.tensor) for p in program.parameters]
        self._kept = [self._state_of(p) for p in program.parameters]
        self._at_once = replicas == 1 and not (optimizer and needs_all(optimizer))
        self._plans = {entry: self._layered(entry, graph) for entry, graph in program.graphs.items()}
        self._live = {entry: self._alive(entry, plan) for entry, plan in self._plans.items()}

    @property
    def weights(self) -> int:
        """Of all parameters and buffers."""
        return sum(self._own)

    @property
    def optimizer_state(self) -> int:
        return sum(self._kept)

    @property
    def pipelined(self) -> int:
        """With everything resident: weights, optimizer state, gradients and a step's values."""
        peaks = [self._pipelined_step(entry, graph) for entry, graph in self._program.graphs.items()]
        return self.weights + self.optimizer_state + max(peaks, default=0) + _RESERVE

    @property
    def streamed(self) -> int:
        """With one layer here at a time."""
        layers = [
            self._live[entry][i] + self._needed(plan, layer)
            for entry, plan in self._plans.items()
            for i, layer in enumerate(plan.layers)
        ]
        return max([*layers, *(self._at_update(n) + self._beside(n) for n in self._waiting)], default=0) + _RESERVE

    def rooms(self, limit: int) -> Rooms:
        """What may be here of what is outside, where a wafer has `limit` bytes."""
        left = limit - _RESERVE
        layers = {
            entry: [left - self._live[entry][i] - self._spare(layer) for i, layer in enumerate(plan.layers)]
            for entry, plan in self._plans.items()
        }
        return Rooms(layers, [left - self._beside(number) for number in self._waiting])

    @property
    def _waiting(self) -> list[int]:
        """The parameters whose gradients wait for those of others."""
        trained = (number for number, p in enumerate(self._program.parameters) if p.trained)
        return [] if self._at_once or self._optimizer is None else list(trained)

    def _state_of(self, parameter: Parameter) -> int:
        if self._optimizer is None or not parameter.trained:
            return 0
        return state_bytes(self._optimizer, parameter.tensor.shape, dtype_of(parameter.tensor))

    def _layered(self, entry: Entry, graph: Graph) -> LayeredPlan:
        values = len(self._own) + len(self._program.inputs)
        return layered(self._program, entry, graph, wanted_of(self._program, entry, graph), values)

    def _alive(self, entry: Entry, plan: LayeredPlan) -> list[int]:
        """The most bytes of values during each layer, over all replicas."""
        emptied = {layer.last - 1: [plan.gradients[n] for n in layer.complete] for layer in plan.layers if layer.last}
        steps = list(live_bytes(plan, self._program, entry, emptied))
        peaks = [max(steps[layer.first : layer.last], default=0) for layer in plan.layers]
        return peaks if self._replicas == 1 else [max(peaks) * self._replicas] * len(peaks)

    def _pipelined_step(self, entry: Entry, graph: Graph) -> int:
        values = len(self._own) + len(self._program.inputs)
        plan = Plan(computed_graph(self._program, graph), values, wanted_of(self._program, entry, graph))
        peak = max(live_bytes(plan, self._program, entry, {}), default=0) * self._replicas
        reduces = self._replicas > 1 and entry.kind == GRADIENTS
        return peak + (self._trained_bytes if reduces else 0)

    @property
    def _trained_bytes(self) -> int:
        return sum(own for own, p in zip(self._own, self._program.parameters, strict=True) if p.trained)

    def _needed(self, plan: LayeredPlan, layer: Layer) -> int:
        held = {*layer.parameters, *(layer.complete if self._at_once else ())}
        state = sum(self._kept[number] for number in layer.complete) if self._at_once else 0
        return sum(self._own[number] for number in held) + state + self._spare(layer)

    def _spare(self, layer: Layer) -> int:
        """What applying the largest gradient of a layer takes beside it, or putting it aside."""
        largest = max((self._own[number] for number in layer.complete), default=0)
        return largest * (self._temporaries if self._at_once else 1)

    @property
    def _temporaries(self) -> int:
        """Tensors of a parameter's size that an update makes: a dense gradient, a new state, those of its rule."""
        return 2 if self._optimizer and self._optimizer.optimizer_type in _FUSED else 4

    def _at_update(self, number: int) -> int:
        return self._own[number] * (1 + self._replicas) + self._kept[number]

    def _beside(self, number: int) -> int:
        reducing = 2 if self._replicas > 1 else 0
        return self._own[number] * (self._temporaries + reducing)


def live_bytes(plan: Plan, program: Program, entry: Entry, emptied: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Bytes of the values that are there during each step of a plan: all but parameters.

    emptied: step -> slots that are emptied after it. Raises Refused.
    """
    owned = [_bare(p.tensor.shape, dtype_of(p.tensor)) for p in program.parameters]
    inputs = [_bare((entry.batch_size, *t.shape), dtype_of(t)) for t in program.inputs]
    slots = [_without_memory(value) for value in plan.begin([*owned, *inputs], None)]
    counted = _Counted(owned)
    counted.add(inputs)
    for number, step in enumerate(plan.steps):
        try:
            with torch.device("meta"):
                plan.go(slots, [step._replace(free=())])
        except Failed as failure:
            what = f"nobody knows beforehand how much memory {step.node.op} takes ({failure})"
            fix = "start wafer_sim serve without --wafer-memory"
            raise Refused(what, where=step.node.source, fix=fix) from failure.error
        made = [slot for slot in ((step.out,) if isinstance(step.out, int) else step.out) if slot is not None]
        for slot in made:
            slots[slot] = _without_memory(slots[slot])
        counted.add(slots[slot] for slot in made)
        yield counted.bytes
        for slot in (*step.free, *emptied.get(number, ())):
            counted.remove(slots[slot])
            slots[slot] = None


class _Counted:
    """Storages, each counted once however many tensors share it."""

    def __init__(self, free: Sequence[Tensor]) -> None:
        self._free = {_storage(tensor) for tensor in free}
        self._users: dict[int, int] = {}
        self.bytes = 0

    def add(self, values: Iterable[Any]) -> None:
        for value in values:
            if isinstance(value, Tensor) and (storage := _storage(value)) not in self._free:
                if storage not in self._users:
                    self.bytes += value.untyped_storage().nbytes()
                self._users[storage] = self._users.get(storage, 0) + 1

    def remove(self, value: Any) -> None:
        if isinstance(value, Tensor) and (storage := _storage(value)) in self._users:
            self._users[storage] -= 1
            if not self._users[storage]:
                del self._users[storage]
                self.bytes -= value.untyped_storage().nbytes()


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bare(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def _without_memory(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value
