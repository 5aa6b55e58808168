"""Weight streaming: the same executor with its weights outside, and one layer of them here at a time."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wafer_sim.compiler.check import GRAD
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Graph, Program
from wafer_sim.compiler.program import Tensor as Spec
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.fetching import Fetcher
from wafer_sim.runtime.kernels import Key
from wafer_sim.runtime.layered_plan import LayeredPlan, Parameters
from wafer_sim.runtime.layers import Layer
from wafer_sim.runtime.layerwise import NOTHING, LayerwiseOptimizer, Together
from wafer_sim.runtime.loss_scaling import LossScale
from wafer_sim.runtime.outside import Outside, Region
from wafer_sim.runtime.protocol import Array, Gradients, Scalar, State
from wafer_sim.runtime.torch_executor import Batch, TorchExecutor, array_of, computed_graph, dtype_of, no_optimizer
from wafer_sim.runtime.walk import Walk

AHEAD = 8
"""The most layers that are fetched before their turn."""


class Rooms(NamedTuple):
    """How much of what is outside may be here at a time, in bytes: by entry and layer, and at an update."""

    layers: Mapping[Entry, Sequence[int]]
    updates: Sequence[int]


class StreamedExecutor(TorchExecutor):
    """As TorchExecutor, bit for bit, with weights, optimizer state and waiting gradients in files in `directory`.

    With one replica, no loss scaling and no clipping by the norm of all gradients, `gradients` ends when the loss is
    known; `apply` computes the rest and changes each layer as soon as its gradients are there. Else gradients wait
    outside, and what they say together is known before the first layer changes.
    rooms: None for no bound but AHEAD.
    """

    def __init__(  # noqa: PLR0913 - those of TorchExecutor, and where, for how many and in how much room
        self,
        program: Program,
        weights: Mapping[str, Array],
        optimizer: OptimizerSpec | None = None,
        *,
        directory: Path,
        threads: int = 1,
        replicas: int = 1,
        rooms: Rooms | None = None,
    ) -> None:
        self._outside = Outside(directory)
        self._regions: list[Region] = []
        self._places: dict[str, Region] = {}
        self._states: dict[str, list[Region]] = {}
        self._waiting: dict[int, list[Region]] = {}
        self._allocating = threading.Lock()
        self._layerwise: LayerwiseOptimizer | None = None
        self._pending: Walk | None = None
        self._replicas = replicas
        self._rooms = rooms
        self._fetcher = Fetcher(AHEAD)
        weakref.finalize(self, self._fetcher.stop)
        super().__init__(program, weights, optimizer, threads=threads, lean=True)

    def gradients(self, batch: Batch, *, seed: int, step: int, replica: int) -> Gradients:
        """The loss of one batch, and what `apply` needs, in the order of TorchExecutor: see above. Raises InvalidInput.

        What it gives is good until the next call for the same replica.
        """
        if self._pending is not None:
            self._pending.close()
        with torch.inference_mode(), self._explaining(batch):
            walk = self._begun(GRADIENTS, batch, (seed, step, replica))
            if self._updates_at_once:
                walk.go(walk.plan.known)
                self._pending = walk
                return Gradients(walk.loss(), [walk, batch])
            waiting = self._waiting_room(replica)
            walk.finish(lambda layer: self._put_aside(walk, layer, waiting))
        buffers = walk.results()[1 + len(self._trained) :]
        return Gradients(walk.loss(), [*(region.tensor for region in waiting), *buffers])

    def apply(self, reduced: Sequence[Any], step: int) -> None:
        """Change weights and buffers once, by what `gradients` gave, or its means. Raises InvalidInput.

        A step with gradients that are not finite is skipped where the loss is scaled: only the scale changes. It may
        raise when some layers have changed already: the executor is then good for nothing but `load`.
        """
        if self._layerwise is None:
            raise no_optimizer()
        count = len(self._trained)
        with torch.inference_mode():
            if self._updates_at_once:
                walk, batch = reduced
                buffers = self._finished(walk, batch, step)
            elif self._update_all(self._layerwise, reduced, step):
                buffers = reduced[count:]
            else:
                return
            self._update_buffers(buffers)
        for name in self._updated():
            self._places[name].drop()

    @property
    def loss_scale(self) -> LossScale | None:
        """Where loss scaling stands; None where the optimizer asks for none."""
        return self._layerwise.loss_scale if self._layerwise is not None else None

    @property
    def _updates_at_once(self) -> bool:
        return self._replicas == 1 and self._layerwise is not None and not self._layerwise.needs_all

    def _finished(self, walk: Walk, batch: Batch, step: int) -> Sequence[Tensor]:
        def update(layer: Layer) -> None:
            for number in layer.complete:
                self._update(self.program.parameters[number].tensor.name, walk.take(number), step)

        with self._explaining(batch):
            walk.finish(update)
        self._pending = None
        return walk.results()[1 + len(self._trained) :]

    def _update(self, name: str, gradient: Tensor, step: int) -> None:
        if self._layerwise is not None:
            self._layerwise.apply(name, gradient, step)

    def _update_all(self, optimizer: LayerwiseOptimizer, reduced: Sequence[Tensor], step: int) -> bool:
        """Whether anything changed: loss scaling may skip the step."""
        names = self._trained_names
        together: Together | None = NOTHING
        if optimizer.needs_all:
            together = optimizer.together(self._one_by_one(names, reduced, self._waiting_of))
        if together is None:
            return False
        for name, gradient in self._one_by_one(names, reduced, self._needed_by_update):
            optimizer.apply(name, gradient, step, together)
        return True

    def _one_by_one(
        self, names: Sequence[str], reduced: Sequence[Tensor], needs: Callable[[int], Sequence[Region]]
    ) -> Iterator[tuple[str, Tensor]]:
        fetched = self._fetcher.open(len(names), needs, self._rooms.updates if self._rooms else None)
        try:
            for i, name in enumerate(names):
                fetched.enter()
                yield name, reduced[i]
                fetched.leave()
        finally:
            fetched.close()

    def _waiting_of(self, number: int) -> list[Region]:
        return [regions[number] for regions in self._waiting.values()]

    def _needed_by_update(self, number: int) -> list[Region]:
        name = self._trained_names[number]
        return [self._places[name], *self._states.get(name, ()), *self._waiting_of(number)]

    def _put_aside(self, walk: Walk, layer: Layer, waiting: Sequence[Region]) -> None:
        """Gradients that are complete go outside."""
        for number in layer.complete:
            region = waiting[self._order[number]]
            region.tensor.copy_(walk.take(number))
            region.drop()

    def _waiting_room(self, replica: int) -> list[Region]:
        with self._allocating:
            if replica not in self._waiting:
                values = self._trained.values()
                made = [self._outside.allocate(tuple(v.shape), v.dtype) for v in values]
                self._waiting[replica] = made
                self._waiting = dict(sorted(self._waiting.items()))
            return self._waiting[replica]

    def _run(self, kind: str, batch: Batch, key: Key) -> list[Any]:
        with torch.inference_mode(), self._explaining(batch):
            walk = self._begun(kind, batch, key)
            walk.finish()
            return walk.results()

    def _begun(self, kind: str, batch: Batch, key: Key) -> Walk:
        plan = self._found(kind, batch)
        if not isinstance(plan, LayeredPlan):
            raise TypeError("a streamed executor runs layered plans")
        slots = plan.begin([*self._values, *self._arrived(batch)], key, self._seed)
        rooms = self._rooms.layers.get(Entry(kind, len(batch[0]))) if self._rooms else None
        updates = kind != EVALUATE and self._updates_at_once
        fetched = self._fetcher.open(len(plan.layers), lambda i: self._needed(plan.layers[i], updates), rooms)
        return Walk(plan, slots, fetched)

    def _needed(self, layer: Layer, updates: bool) -> list[Region]:
        pieces = [self._regions[number] for number in layer.parameters]
        for number in layer.complete if updates else ():
            name = self.program.parameters[number].tensor.name
            pieces += [self._regions[number], *self._states.get(name, ())]
        return pieces

    def _plan(self, entry: Entry, graph: Graph) -> LayeredPlan:
        values = len(self._values) + len(self.program.inputs)
        return layered(self.program, entry, graph, self._wanted[entry], values)

    def _optimize(self, spec: OptimizerSpec) -> None:
        self._layerwise = LayerwiseOptimizer(spec, self._trained, self._place)

    def _load_optimizer(self, state: State) -> None:
        if self._layerwise is not None:
            self._states.clear()
            self._layerwise.load(state.optimizer, state.scalars)

    def _scalars(self) -> dict[str, Scalar]:
        return self._layerwise.scalars() if self._layerwise is not None else {}

    def _place(self, parameter: str, value: Tensor) -> Tensor:
        region = self._outside.allocate(tuple(value.shape), value.dtype)
        region.tensor.copy_(value)
        region.drop()
        self._states.setdefault(parameter, []).append(region)
        return region.tensor

    def _room_for(self, spec: Spec) -> Tensor:
        region = self._outside.allocate(spec.shape, dtype_of(spec))
        self._regions.append(region)
        self._places[spec.name] = region
        return region.tensor

    def _put(self, name: str, array: Array) -> None:
        super()._put(name, array)
        self._places[name].drop()

    @cached_property
    def _trained_names(self) -> list[str]:
        return list(self._trained)

    @cached_property
    def _order(self) -> Mapping[int, int]:
        """Number of a trained parameter -> its place among the trained ones."""
        trained = (number for number, p in enumerate(self.program.parameters) if p.trained)
        return {number: place for place, number in enumerate(trained)}

    def _copied(self, name: str) -> Array:
        region = self._places[name]
        copy = array_of(region.tensor)
        if self._fetcher.is_free(region):
            region.drop()
        return copy

    def _state_copies(self) -> dict[str, Callable[[], Array]]:
        made = self._layerwise
        if made is None:
            return {}
        return {key: partial(self._state_copied, made, name, key) for name in self._trained for key in made.names(name)}

    def _state_copied(self, optimizer: LayerwiseOptimizer, name: str, key: str) -> Array:
        copy = optimizer.value(name, key)
        for region in self._states.get(name, ()):
            region.drop()
        return copy


def layered(program: Program, entry: Entry, graph: Graph, wanted: Sequence[str], values: int) -> LayeredPlan:
    """A program's graph as layers."""
    sizes = [parameter_bytes(p.tensor) for p in program.parameters]
    trained = {n: GRAD + p.tensor.name for n, p in enumerate(program.parameters) if p.trained}
    parameters = Parameters(sizes, trained if entry.kind == GRADIENTS else {})
    return LayeredPlan(computed_graph(program, graph), values, wanted, parameters)


def parameter_bytes(spec: Spec) -> int:
    """What a parameter takes."""
    return torch.Size(spec.shape).numel() * dtype_of(spec).itemsize
