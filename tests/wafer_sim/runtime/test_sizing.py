"""How much memory a program takes, found without memory."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Constant, Entry, Graph, Node, Program, Ref, Tensor
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.layerwise import state_bytes
from wafer_sim.runtime.plan import Plan
from wafer_sim.runtime.sizing import Sizes, live_bytes
from wire.errors import Refused

SGD = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": 0.1})


def program_of(*nodes: Node, outputs: dict[str, Ref]) -> Program:
    return Program((), (Tensor("x", (100,), "float32"),), {Entry(EVALUATE, 10): Graph(nodes, outputs)})


def node(op: str, *args: object, out: int) -> Node:
    return Node(op, tuple(args), {}, (out,), "model.py:3")


def test_values_count_while_they_are_there() -> None:
    """An input of 4,000 bytes stays; a result goes after its last use; a view counts nothing."""
    program = program_of(
        node("aten.relu.default", Ref(0), out=1),
        node("aten.permute.default", Ref(1), (1, 0), out=2),
        node("aten.exp.default", Ref(2), out=3),
        node("aten.mean.default", Ref(3), out=4),
        outputs={"loss": Ref(4)},
    )
    ((entry, graph),) = program.graphs.items()
    assert list(live_bytes(Plan(graph, 1, ["loss"]), program, entry, {})) == [8000, 8000, 12000, 8004]


def test_what_is_made_of_nothing_counts_too() -> None:
    """A range has the size of its numbers."""
    made = Node("aten.arange.default", (1000,), {"dtype": Constant("dtype", "float32")}, (1,), "model.py:3")
    program = program_of(made, node("aten.mean.default", Ref(1), out=2), outputs={"loss": Ref(2)})
    ((entry, graph),) = program.graphs.items()
    assert list(live_bytes(Plan(graph, 1, ["loss"]), program, entry, {})) == [8000, 8004]


def test_an_operation_that_cannot_be_sized_is_refused_with_its_line() -> None:
    """The shapes do not fit: nobody can say what it takes."""
    program = program_of(node("aten.mm.default", Ref(0), Ref(0), out=1), outputs={"loss": Ref(1)})
    with pytest.raises(Refused, match=r"how much memory aten.mm.default takes") as refused:
        Sizes(program, None, 1)
    assert refused.value.where == "model.py:3"


@pytest.mark.parametrize("name", ["mlp", "conv", "batch norm", "attention", "regression"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_every_net_can_be_sized(tracing: ModuleType, name: str, bfloat16: bool) -> None:
    """Pools, drawn masks and index operations among them; more replicas take more."""
    net, make = tracing.NETS[name]
    batch = make(6)
    program = tracing.trace(net(), batch, [6], bfloat16)
    one, two = (Sizes(program, SGD, replicas) for replicas in (1, 2))
    assert one.weights == sum(t.numel() * t.element_size() for t in net().state_dict().values())
    assert two.pipelined > one.pipelined
    assert two.streamed > one.streamed
    assert all(room > 0 for rooms in one.rooms(one.streamed).layers.values() for room in rooms)


def test_a_step_of_training_is_sized_as_it_is_measured(tracing: ModuleType) -> None:
    """The gradients of all parameters are there at the end of a step, beside what they are made from."""
    net, make = tracing.NETS["mlp"]
    program = tracing.trace(net(), make(6), [6])
    graph = program.graphs[Entry(GRADIENTS, 6)]
    wanted = sorted(graph.outputs)
    sizes = list(live_bytes(Plan(graph, len(program.parameters) + 2, wanted), program, Entry(GRADIENTS, 6), {}))
    trained = sum(torch.Size(p.tensor.shape).numel() * 4 for p in program.parameters)
    assert trained < sizes[-1] < trained + 6 * (12 * 4 + 8) + 6 * 16 * 4 * 4


@pytest.mark.parametrize(
    ("kind", "more", "copies"),
    [
        ("sgd", {}, 0),
        ("sgd", {"momentum": 0.9}, 1),
        ("adam", {}, 2),
        ("adam", {"amsgrad": True}, 3),
        ("adagrad", {}, 1),
    ],
)
def test_an_optimizers_state_is_so_many_copies(kind: str, more: dict[str, object], copies: int) -> None:
    """Known from the optimizer itself, for matrices and for vectors."""
    spec = OptimizerSpec.from_params({"optimizer_type": kind, "learning_rate": 0.1, **more})
    assert state_bytes(spec, (70, 30), torch.float32) == copies * 70 * 30 * 4
    assert state_bytes(spec, (70,), torch.float32) == copies * 70 * 4
