"""Capture: from a user's model to a Program, which is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils import _pytree

from clients.pytorch.precision import arrived
from streamer import structure as batches
from wafer_sim.compiler.check import require_supported
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Graph, Parameter, Program, Tensor, references
from wire.errors import InvalidInput
from wire.staying import staying

if TYPE_CHECKING:
    from clients.pytorch.export import Exported
    from clients.pytorch.model import PyTorchBaseModel


@dataclass(frozen=True, slots=True)
class _State:
    """The model's parameters and buffers, each tensor once. numbers: every name of it, also of tied ones -> value."""

    tensors: Mapping[str, torch.Tensor]
    numbers: Mapping[str, int]

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(Tensor(name, tuple(t.shape), _dtype(t)), trained=t.requires_grad)
            for name, t in self.tensors.items()
        )


def capture(
    model: PyTorchBaseModel, sample_batch: Any, entries: Sequence[Entry], names: Sequence[str] | None = None
) -> Program:
    """Capture a model for the given entries.

    sample_batch: any batch of the loader, in the structure that the model takes; its values do not matter, its first
    rows are repeated or cut to each entry's batch size. names: what the fields of the batch are called; by default
    their paths in the structure. Raises InvalidInput, at the user's own line, for a model that cannot be captured,
    and Refused for one that needs what the wafer has not: an operation without a kernel, buffers that change.
    """
    leaves, structure = _pytree.tree_flatten(sample_batch)
    inputs = [arrived(_tensor(leaf)) for leaf in leaves]
    state = _state(model.model)
    program = Program(state.parameters(), _inputs(names or batches.names(sample_batch), inputs))
    graphs = {}
    for entry in entries:
        with _mode(model, training=entry.kind == GRADIENTS):
            batch = [_sized(t, entry.batch_size) for t in inputs]
            graphs[entry] = _Capture(model, program, state).graph(entry, batch, structure)
    return Program(program.parameters, program.inputs, graphs, model.precision.emulate_float16)


def initial_weights(model: PyTorchBaseModel) -> dict[str, npt.NDArray[Any]]:
    """The values of the Program's parameters, by name, copied; a tied weight appears once."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in _state(model.model).tensors.items()}


@dataclass(frozen=True, slots=True)
class _Capture:
    """Graphs of one model, over the numbering of its program."""

    model: PyTorchBaseModel
    program: Program
    state: _State

    def graph(self, entry: Entry, batch: list[torch.Tensor], structure: _pytree.TreeSpec) -> Graph:
        """The graph of an entry. The forward graph is checked first: it knows the user's lines."""
        with staying():
            from clients.pytorch.export import export_forward, export_joint  # a second of imports

        training = entry.kind == GRADIENTS
        traced, forward = export_forward(self.model, batch, structure, metrics=not training)
        graph = self._lowered(forward, Entry(EVALUATE, entry.batch_size))
        if not training:
            return graph
        _require_gradients(graph, self.program)
        return self._lowered(_named(export_joint(traced, forward), self.program, self.state), entry)

    def _lowered(self, exported: Exported, entry: Entry) -> Graph:
        from clients.pytorch.lowering import lower

        values = {f"model.{name}": number for name, number in self.state.numbers.items()}
        graph = lower(exported, values, len(self.program.parameters))
        require_supported(Program(self.program.parameters, self.program.inputs, {entry: graph}))
        return graph


def _require_gradients(forward: Graph, program: Program) -> None:
    """Raises InvalidInput, by name, for trained parameters that the loss does not depend on."""
    used = {ref.index for node in forward.nodes for ref in references(node)}
    _refuse_idle([p.tensor.name for i, p in enumerate(program.parameters) if p.trained and i not in used])


def _refuse_idle(names: list[str]) -> None:
    if names:
        what = f"the loss does not depend on {', '.join(names)}"
        raise InvalidInput(what, where="forward()", fix="use it, remove it, or freeze it with requires_grad_(False)")


def _named(joint: Exported, program: Program, state: _State) -> Exported:
    """Gradients under their parameters' names in the program. Raises InvalidInput for a parameter that has none."""
    canonical = {f"grad/model.{k}": f"grad/{program.parameters[v].tensor.name}" for k, v in state.numbers.items()}
    names = tuple(canonical.get(name, name) if name else None for name in joint.outputs)
    _refuse_idle([p.tensor.name for p in program.parameters if p.trained and f"grad/{p.tensor.name}" not in names])
    return replace(joint, outputs=names)


def _state(module: torch.nn.Module) -> _State:
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    first: dict[int, str] = {}
    for name, tensor in named:
        first.setdefault(id(tensor), name)
    tensors = {name: tensor for name, tensor in named if first[id(tensor)] == name}
    position = {name: number for number, name in enumerate(tensors)}
    return _State(tensors, {name: position[first[id(tensor)]] for name, tensor in named})


def _dtype(tensor: torch.Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_floating_point() and tensor.dtype is not torch.float32:
        what = f"the model has {name} weights; the wafer keeps weights in float32"
        raise InvalidInput(what, where="model", fix="leave out .half() and .to(dtype); model.mixed_precision is enough")
    return name


def _inputs(names: Sequence[str], tensors: Sequence[torch.Tensor]) -> tuple[Tensor, ...]:
    pairs = zip(names, tensors, strict=True)
    return tuple(Tensor(name, tuple(t.shape[1:]), str(t.dtype).removeprefix("torch.")) for name, t in pairs)


def _tensor(leaf: Any) -> torch.Tensor:
    value = torch.from_numpy(leaf) if isinstance(leaf, np.ndarray) else leaf
    if not isinstance(value, torch.Tensor) or value.dim() == 0 or len(value) == 0:
        what = (
            f"a batch is of tensors with samples along the first axis; this one has {type(leaf).__name__} {leaf!r:.60}"
        )
        raise InvalidInput(what, where="data loader", fix="turn every field into a tensor in the dataset or collate_fn")
    return value


def _sized(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    return tensor.index_select(0, torch.arange(rows) % len(tensor))


@contextmanager
def _mode(model: PyTorchBaseModel, training: bool) -> Iterator[None]:
    before = model.mode
    model.train() if training else model.eval()
    try:
        yield
    finally:
        model.train() if before != "eval" else model.eval()
        model.mode = before
