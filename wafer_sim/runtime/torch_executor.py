"""The executor for captured PyTorch models: a Program, interpreted over one copy of the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_sim.compiler.check import BUFFER, GRAD, require_supported
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, OBSERVED, Entry, Graph, Program
from wafer_sim.compiler.program import Tensor as Spec
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.kernels import Key
from wafer_sim.runtime.loss_scaling import LossScale
from wafer_sim.runtime.optimizers import Optimizer
from wafer_sim.runtime.plan import Failed, Plan
from wafer_sim.runtime.precision import in_float32
from wafer_sim.runtime.protocol import Array, Gradients, Looked, Scalar, State
from wire.errors import InvalidInput, Refused

Batch = Sequence[npt.NDArray[np.generic]]

_ALIGNMENT = 64
_EVALUATION_KEY = (0, 0, 0)
_BOUNDS = re.compile(r"index out of range|out of bounds(?:.* with size (\d+))?")
_ATOMIC = frozenset({"aten.index_put.default", "aten.scatter_add.default"})


class TorchExecutor:
    """Runs a program's graphs. `gradients` and `evaluate` may be called from several threads; `apply` and `load` not.

    weights: parameter or buffer -> array. optimizer: None for evaluation only. threads: torch's threads inside one
    operation, for the whole process; results are bit for bit the same for the same number. lean: a state is `Looked`
    at. Raises Refused for an operation without a kernel, InvalidInput for weights that do not fit.
    """

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, Array],
        optimizer: OptimizerSpec | None = None,
        *,
        threads: int = 1,
        lean: bool = False,
    ) -> None:
        self._lean = lean
        require_supported(program)
        torch.set_num_threads(threads)
        self._threads = threads
        self._order_sums(program)
        self.program = program
        self._values = [self._room_for(p.tensor) for p in program.parameters]
        self._named = {p.tensor.name: value for p, value in zip(program.parameters, self._values, strict=True)}
        self._trained = {p.tensor.name: self._named[p.tensor.name] for p in program.parameters if p.trained}
        self._load_weights(weights)
        self._spec = optimizer if self._trained else None
        self._optimizer: Optimizer | None = None
        if self._spec is not None:
            self._optimize(self._spec)
        self._wanted = {entry: wanted_of(program, entry, graph) for entry, graph in program.graphs.items()}
        self._plans = {entry: self._plan(entry, graph) for entry, graph in program.graphs.items()}
        self._require_seeds()

    def gradients(self, batch: Batch, *, seed: int, step: int, replica: int) -> Gradients:
        """Loss and gradients of one batch: arrays (rows, *shape), cast to the inputs' dtypes on arrival.

        Raises InvalidInput for a batch that does not fit or a node that cannot compute.
        """
        loss, *tensors = self._run(GRADIENTS, batch, (seed, step, replica))
        return Gradients(float(loss), tensors)

    def observe(
        self, batch: Batch, reduced: Sequence[Any], *, seed: int, step: int, replica: int
    ) -> Mapping[str, Array]:
        """Nothing: a captured PyTorch model lets nothing be seen but its loss."""
        return {}

    def apply(self, reduced: Sequence[Any], step: int) -> None:
        """Change weights and buffers once, by tensors in the order of `gradients`. Raises InvalidInput.

        A step with gradients that are not finite is skipped where the loss is scaled: only the scale changes.
        """
        if self._optimizer is None:
            raise no_optimizer()
        with torch.inference_mode():
            count = len(self._trained)
            if self._optimizer.apply(reduced[:count], step):
                self._update_buffers(reduced[count:])

    @property
    def loss_scale(self) -> LossScale | None:
        """Where loss scaling stands; None where the optimizer asks for none."""
        return self._optimizer.loss_scale if self._optimizer is not None else None

    def evaluate(self, batch: Batch) -> dict[str, float]:
        """Sums over one batch: "rows", "loss" times rows, and each metric's "sum" and "count"."""
        return self.look(batch)[0]

    def look(self, batch: Batch) -> tuple[dict[str, float], Mapping[str, Array]]:
        """As `evaluate`, with what the program lets be seen of the batch."""
        values = self._run(EVALUATE, batch, _EVALUATION_KEY)
        rows = len(batch[0])
        named = dict(zip(self._wanted[Entry(EVALUATE, rows)], values, strict=True))
        seen = {name.removeprefix(OBSERVED): array_of(v) for name, v in named.items() if name.startswith(OBSERVED)}
        sums = {name: float(value) for name, value in named.items() if not name.startswith(OBSERVED)}
        return {**sums, "loss": sums["loss"] * rows, "rows": float(rows)}, seen

    def metrics(self) -> dict[str, float]:
        """Nothing: `evaluate` gives the sums of every metric."""
        return {}

    def state(self) -> State:
        """Copies of weights, buffers and optimizer state."""
        weights = Looked({name: partial(self._copied, name) for name in self._named})
        state, scalars = Looked(self._state_copies()), self._scalars()
        return State(weights, state, scalars) if self._lean else State(dict(weights), dict(state), scalars)

    def load(self, state: State) -> None:
        """Continue from a state, whole or weights only. Raises InvalidInput, naming the tensor that does not fit."""
        self._load_weights(state.weights)
        if self._spec is None or not state.scalars:
            return
        with torch.inference_mode():
            self._load_optimizer(state)

    def _run(self, kind: str, batch: Batch, key: Key) -> list[Any]:
        plan = self._found(kind, batch)
        with torch.inference_mode(), self._explaining(batch):
            results = plan.run([*self._values, *self._arrived(batch)], key, self._seed)
            return [r if mine else r.clone() for r, mine in zip(results, plan.owned, strict=True)]

    def _found(self, kind: str, batch: Batch) -> Plan:
        """The plan for a batch, and torch ready for it in this thread. Raises InvalidInput where there is none."""
        entry = Entry(kind, len(batch[0]) if len(batch) else 0)
        plan = self._plans.get(entry)
        if plan is None or len(batch) != len(self.program.inputs):
            raise self._no_entry(entry, batch)
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        return plan

    def _arrived(self, batch: Batch) -> list[torch.Tensor]:
        return [_arrive(array, spec) for array, spec in zip(batch, self.program.inputs, strict=True)]

    @contextmanager
    def _explaining(self, batch: Batch) -> Iterator[None]:
        """A node that cannot compute is said as a person reads it. Raises InvalidInput."""
        try:
            yield
        except Failed as failure:
            raise self._explained(failure, batch) from failure.error

    def _room_for(self, spec: Spec) -> torch.Tensor:
        """A tensor of zeros where a parameter lives."""
        return torch.zeros(spec.shape, dtype=dtype_of(spec))

    def _optimize(self, spec: OptimizerSpec) -> None:
        self._optimizer = Optimizer(spec, self._trained)

    def _load_optimizer(self, state: State) -> None:
        if self._optimizer is not None:
            self._optimizer.load(state.optimizer, state.scalars)

    def _copied(self, name: str) -> Array:
        return array_of(self._named[name])

    def _state_copies(self) -> dict[str, Callable[[], Array]]:
        made = self._optimizer
        return {} if made is None else {key: partial(made.value, key) for key in made.names()}

    def _scalars(self) -> dict[str, Scalar]:
        return self._optimizer.scalars() if self._optimizer is not None else {}

    def _put(self, name: str, array: Array) -> None:
        """Give a parameter its values, which fit."""
        self._named[name].copy_(torch.from_numpy(np.array(array)))

    def _update_buffers(self, values: Sequence[Any]) -> None:
        for name, value in zip(self._updated(), values, strict=True):
            self._named[name].copy_(value)

    @property
    def _seed(self) -> torch.Tensor:
        """What the backward pass begins with: the loss's own gradient, which is the scale of the loss."""
        scale = self.loss_scale
        return torch.ones(()) if scale is None else torch.tensor(scale.scale)

    def _plan(self, entry: Entry, graph: Graph) -> Plan:
        """A graph made ready to run."""
        values = len(self._values) + len(self.program.inputs)
        return Plan(computed_graph(self.program, graph), values, self._wanted[entry])

    def _require_seeds(self) -> None:
        for entry, plan in self._plans.items():
            if entry.kind == GRADIENTS and self.loss_scale is not None and not plan.seeds:
                what = f"the loss cannot be scaled: graph {entry} does not say where its backward pass begins"
                raise Refused(what, where="optimizer.loss_scaling_factor", fix="set it to 1.0")

    def _updated(self) -> list[str]:
        names = next((w for e, w in self._wanted.items() if e.kind == GRADIENTS), [])
        return [name.removeprefix(BUFFER) for name in names if name.startswith(BUFFER)]

    def _load_weights(self, weights: Mapping[str, Array]) -> None:
        if odd := sorted(weights.keys() ^ self._named.keys()):
            what = "the model has no" if odd[0] in weights else "no values were given for"
            raise InvalidInput(f"{what} parameter {odd[0]!r}", where=odd[0], fix="load weights of the same model")
        for name, array in weights.items():
            target = self._named[name]
            if tuple(array.shape) != tuple(target.shape):
                what = f"parameter {name!r} has shape {tuple(target.shape)}, the values have {tuple(array.shape)}"
                raise InvalidInput(what, where=name, fix="load weights of the same model")
        for name, array in weights.items():
            self._put(name, array)

    def _order_sums(self, program: Program) -> None:
        """Additions at computed places run in any order on several threads, unless torch is told to keep one."""
        if any(node.op in _ATOMIC for graph in program.graphs.values() for node in graph.nodes):
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            torch.use_deterministic_algorithms(True)

    def _no_entry(self, entry: Entry, batch: Batch) -> InvalidInput:
        if len(batch) != len(self.program.inputs):
            names = ", ".join(t.name for t in self.program.inputs)
            takes = f"the model takes {len(self.program.inputs)} ({names})"
            return InvalidInput(f"a batch has {len(batch)} fields; {takes}", where="batch", fix="mend the data loader")
        sizes = sorted(e.batch_size for e in self.program.graphs if e.kind == entry.kind)
        return InvalidInput(
            f"the executable has no {entry.kind} graph for {entry.batch_size} samples",
            where=f"batch of {entry.batch_size}",
            fix=f"it was compiled for {', '.join(map(str, sizes)) or 'none'}",
        )

    def _explained(self, failure: Failed, batch: Batch) -> InvalidInput:
        node = failure.node
        op, source = (node.op, node.source) if node else ("the graph", "")
        reason = str(failure.error).splitlines()[0] if str(failure.error) else type(failure.error).__name__
        what = f"{op} cannot compute: {reason}"
        if bounds := _BOUNDS.search(reason):
            what = f"{_out_of_range(self.program.inputs, batch, bounds.group(1))}; {what}"
            return InvalidInput(what, where=source, fix="mend the data, or give the model as many classes as it has")
        return InvalidInput(what, where=source, fix="mend this line of the model")


def wanted_of(program: Program, entry: Entry, graph: Graph) -> list[str]:
    """The outputs of a graph in the order in which they are wanted; the loss is the first of a training step."""
    if entry.kind == EVALUATE:
        return sorted(graph.outputs)
    trained = [GRAD + p.tensor.name for p in program.parameters if p.trained]
    buffers = [BUFFER + p.tensor.name for p in program.parameters if BUFFER + p.tensor.name in graph.outputs]
    return ["loss", *trained, *buffers]


def computed_graph(program: Program, graph: Graph) -> Graph:
    """A program's graph as it is computed here: without float16, unless its rounding is asked for."""
    return graph if program.emulate_float16 else in_float32(graph)


def no_optimizer() -> InvalidInput:
    """What is wrong where weights should change and nothing says how."""
    return InvalidInput("this executor has no optimizer", where="optimizer", fix="load it with an OptimizerSpec")


def _out_of_range(inputs: Sequence[Spec], batch: Batch, size: str | None) -> str:
    whole = [(spec.name, a) for spec, a in zip(inputs, batch, strict=True) if a.dtype.kind in "iu" and a.size]
    fields = [(name, int(np.min(a)), int(np.max(a))) for name, a in whole]
    fields = [f for f in fields if size is None or f[1] < 0 or f[2] >= int(size)] or fields
    said = ", ".join(f"field {name!r} has values {low}..{high}" for name, low, high in fields)
    takes = f"the model takes 0..{int(size) - 1}" if size else ""
    return f"label out of range: {', '.join(filter(None, (said, takes)))}"


def _arrive(array: npt.NDArray[np.generic], spec: Spec) -> torch.Tensor:
    """Cast, and moved where its memory starts oddly: matrix kernels may round otherwise at another alignment."""
    if tuple(array.shape[1:]) != spec.shape:
        what = f"field {spec.name!r} has samples of shape {tuple(array.shape[1:])}, the model takes {spec.shape}"
        raise InvalidInput(what, where=spec.name, fix="mend the data, or compile for its shape")
    if spec.dtype == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    whole = np.ascontiguousarray(array, dtype=spec.dtype)
    if whole is array and (not whole.flags.writeable or whole.ctypes.data % _ALIGNMENT):
        return _copied(whole, spec)
    return torch.from_numpy(whole)


def _copied(array: npt.NDArray[Any], spec: Spec) -> torch.Tensor:
    target = torch.empty(array.shape, dtype=dtype_of(spec))
    np.copyto(target.numpy(), array)
    return target


def dtype_of(spec: Spec) -> torch.dtype:
    """A tensor's dtype as torch has it."""
    dtype: torch.dtype = getattr(torch, spec.dtype)
    return dtype


def array_of(value: torch.Tensor) -> Array:
    """A copy as numpy has it."""
    return np.array((value.float() if value.dtype is torch.bfloat16 else value).numpy())
