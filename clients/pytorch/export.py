"""torch.export of a user's model: its graphs in ATen operations, and its errors as a user can mend them."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import torch
from torch.export import ExportedProgram
from torch.export.experimental import _export_forward_backward
from torch.export.graph_signature import OutputKind
from torch.fx import GraphModule, Node
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.fx.proxy import _STACK_TRACE_ANCHORS
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree

from clients.pytorch.loss import scalar_loss
from clients.pytorch.metrics import recording
from clients.pytorch.precision import mixed_precision
from clients.sources import user_line, user_line_of
from wafer_sim.compiler.program import OBSERVED
from wire.errors import Fault, InvalidInput, Refused

if TYPE_CHECKING:
    from clients.pytorch.model import PyTorchBaseModel

_ASSIGNED = re.compile(r"^\s*(\w+) = ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Exported:
    """One exported graph. outputs: what its output values are called, in order; None for one that nobody wants."""

    program: ExportedProgram
    outputs: tuple[str | None, ...]
    sources: dict[Node, str]


class _Forward(torch.nn.Module):
    """The user's `__call__` as a module of flat tensors. With `metrics` it gives what they record too.

    metrics: filled with the names of those values, None for the loss alone. (torch.export puts a module's own
    attributes back as they were, so the names cannot be one.)
    """

    def __init__(self, model: PyTorchBaseModel, structure: _pytree.TreeSpec, metrics: list[str] | None) -> None:
        super().__init__()
        self.model = model.model
        self.call = (model,)  # in a tuple, so that a model which is itself a module is not registered twice
        self.structure = structure
        self.metrics = metrics

    def forward(self, *tensors: torch.Tensor) -> Any:
        (model,) = self.call
        batch = _pytree.tree_unflatten(list(tensors), self.structure)
        with mixed_precision(model.precision.narrow), recording() as recorded:
            loss = scalar_loss(model(batch))
        if self.metrics is None:
            return loss
        self.metrics[:] = [f"metric/{name}/{part}" for name in recorded.values for part in ("sum", "count")]
        self.metrics += [OBSERVED + name for name in recorded.seen]
        return loss, *(value for pair in recorded.values.values() for value in pair), *recorded.seen.values()


def export_forward(
    model: PyTorchBaseModel, batch: Sequence[torch.Tensor], structure: _pytree.TreeSpec, metrics: bool
) -> tuple[ExportedProgram, Exported]:
    """The traced program (for `export_joint`) and the forward graph over core ATen, in the model's present mode.

    batch: the leaves of a batch, as they arrive. Raises InvalidInput, at the user's line, for a model that cannot be
    captured, and Refused for one that changes its buffers.
    """
    names: list[str] = []
    forward = _Forward(model, structure, names if metrics else None)
    with _tracing(), _lines_of(model), _user_errors():
        traced = torch.export.export(forward, tuple(batch), strict=False)
        labels = _label(traced.graph_module)
        program = traced.run_decompositions()
    _refuse_mutation(program)
    sources = {node: _source(node, labels) for node in program.graph.nodes if node.op == "call_function"}
    return traced, Exported(program, ("loss", *names), sources)


def export_joint(traced: ExportedProgram, forward: Exported) -> Exported:
    """Forward and backward in one graph: the loss, then "grad/<parameter>" for each parameter that wants one."""
    _ask_no_gradient_of_unused(traced)
    with _tracing(), _user_errors():
        program = _export_forward_backward(traced)
    names = tuple(_joint_name(spec.kind, str(spec.target)) for spec in program.graph_signature.output_specs)
    return Exported(program, names, _carried(forward, program))


def _ask_no_gradient_of_unused(traced: ExportedProgram) -> None:
    """A tied weight has a placeholder for each of its names, of which one is used; torch wants gradients of all."""
    for node in traced.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and not node.users and isinstance(value, torch.Tensor):
            node.meta["val"] = value.detach()


def _joint_name(kind: OutputKind, target: str) -> str | None:
    if kind is OutputKind.LOSS_OUTPUT:
        return "loss"
    return f"grad/{target}" if kind is OutputKind.GRADIENT_TO_PARAMETER else None


def _refuse_mutation(program: ExportedProgram) -> None:
    changed = sorted(set(program.graph_signature.buffers_to_mutate.values()))
    if changed:
        names = ", ".join(name.removeprefix("model.") for name in changed)
        what = f"the model changes its buffers while it trains: {names}"
        fix = "use a layer without running statistics, such as LayerNorm, or freeze the layer with .eval()"
        raise Refused(what, where="forward()", fix=fix)


def _label(module: GraphModule) -> dict[str, str]:
    """Give every call of the inner graphs a name of its own; name -> the user's line.

    A decomposition remembers of an inner graph (autocast makes one) only the text of its generated code, and that
    text begins with the name of the call.
    """
    labels = {}
    inner = [m for name, m in module.named_modules() if name and isinstance(m, GraphModule)]
    for number, graph in enumerate(inner):
        for position, node in enumerate(n for n in graph.graph.nodes if n.op == "call_function"):
            node._rename(f"inner_{number}_{position}")
            labels[node.name] = user_line(node.meta.get("stack_trace") or "")
        graph.recompile()
    return labels


def _source(node: Node, labels: dict[str, str]) -> str:
    trace = node.meta.get("stack_trace") or ""
    assigned = _ASSIGNED.findall(trace)
    return (labels.get(assigned[-1], "") if assigned else "") or user_line(trace)


def _carried(forward: Exported, joint: ExportedProgram) -> dict[Node, str]:
    """The joint graph lost the traces; its first part is the forward graph, so they are carried over by position."""
    known = list(forward.sources)
    nodes = [node for node in joint.graph.nodes if node.op == "call_function"]
    matcher = SequenceMatcher(None, [_shape_key(n) for n in known], [_shape_key(n) for n in nodes], autojunk=False)
    blocks = matcher.get_matching_blocks()
    return {nodes[b + i]: forward.sources[known[a + i]] for a, b, size in blocks for i in range(size)}


def _shape_key(node: Node) -> tuple[str, str]:
    value = node.meta.get("val")
    return str(node.target), f"{value.dtype}{list(value.shape)}" if isinstance(value, torch.Tensor) else ""


@contextmanager
def _tracing() -> Iterator[None]:
    """Attention is traced as products and a soft-max, which have kernels, and not as one fused call of the CPU's."""
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        # torch.export copies its own deprecated class; nothing that a user could mend.
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)", category=FutureWarning)
        yield


@contextmanager
def _lines_of(model: PyTorchBaseModel) -> Iterator[None]:
    """A trace keeps the frames of functions called `forward` only, and of those that are said to be the user's too."""
    code = getattr(inspect.unwrap(type(model).__call__), "__code__", None)
    own = {(code.co_filename, code.co_name)} - _STACK_TRACE_ANCHORS if code is not None else set()
    _STACK_TRACE_ANCHORS.update(own)
    try:
        yield
    finally:
        _STACK_TRACE_ANCHORS.difference_update(own)


@contextmanager
def _user_errors() -> Iterator[None]:
    try:
        yield
    except Fault:
        raise
    except GuardOnDataDependentSymNode as error:
        line = user_line_of(error) or user_line(str(error))
        what = "the model decides by the values of its data, and a compiled graph cannot"
        raise InvalidInput(what, where=line, fix="compute both ways and choose with torch.where") from error
    except Exception as error:
        if "did not receive a gradient" in str(error):
            what = "a parameter takes part in the forward pass, but no gradient comes back to it"
            raise InvalidInput(what, where="forward()", fix="look for .detach(), torch.no_grad and argmax") from error
        what = f"the model cannot be captured: {type(error).__name__}: {_first_line(error)}"
        fix = "run it off the system first: python run.py --mode train --cpu"
        raise InvalidInput(what, where=user_line_of(error) or user_line(str(error)), fix=fix) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
