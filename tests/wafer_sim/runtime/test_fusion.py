"""What decompositions took apart is found again, memory is used again, and the numbers stay what they were."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel
from clients.pytorch.capture import capture, initial_weights
from wafer_sim.compiler.program import GRADIENTS, Entry, Graph, Node, Program, Ref
from wafer_sim.runtime import simplify as simplified
from wafer_sim.runtime.fusion import (
    CROSS_ENTROPY_BACKWARD,
    GELU_BACKWARD,
    NORM_BACKWARD,
    SOFTMAX_BACKWARD,
    fused,
)
from wafer_sim.runtime.plan import Plan
from wafer_sim.runtime.reuse import IN_PLACE, RELU_BACKWARD, reusing

ROWS, WIDTH, CLASSES = 6, 8, 5
ENTRY = Entry(GRADIENTS, ROWS)
PARAMS = {
    "model": {"mixed_precision": False},
    "optimizer": {"optimizer_type": "sgd", "learning_rate": 0.1},
    "runconfig": {"mode": "train"},
}


class Net(nn.Module):
    """Every layer that a rule is about."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy."""
        x = functional.relu(self.first(functional.gelu(self.norm(self.first(x)))))
        x = torch.softmax(x @ x.t(), dim=-1) @ x
        return functional.cross_entropy(self.last(x), labels)


class Model(PyTorchBaseModel):
    """Calls the net."""

    def __call__(self, data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        loss: torch.Tensor = self.model(*data)
        return loss


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(1)
    return Model(PARAMS, Net())


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(0, CLASSES, (ROWS,), generator=generator)
    labels[1] = -100  # a row that does not count
    return torch.randn(ROWS, WIDTH, generator=generator), labels


@pytest.fixture(scope="module")
def program(model: Model, batch: tuple[torch.Tensor, torch.Tensor]) -> Program:
    return capture(model, batch, [ENTRY])


def results(program: Program, model: Model, batch: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Loss and gradients, in the order of the graph's outputs."""
    graph = program.graphs[ENTRY]
    plan = Plan(graph, len(program.parameters) + len(program.inputs), list(graph.outputs))
    with torch.inference_mode():
        weights = [torch.from_numpy(array) for array in initial_weights(model).values()]
        return plan.run([*weights, *batch], (0, 0, 0))


def test_each_rule_finds_its_calls(program: Program) -> None:
    """Of a gelu, a soft-max, a norm, a relu and a cross entropy each backward pass is one call."""
    calls, _ = simplified.simplify(program.graphs[ENTRY])
    ops = [call.node.op for call in calls]
    once = (GELU_BACKWARD, SOFTMAX_BACKWARD, NORM_BACKWARD, *(IN_PLACE[op] for op in IN_PLACE))
    assert {op: ops.count(op) for op in once} == dict.fromkeys(once, 1)
    assert not {"aten.erf.default", "aten.scatter.value", "aten.exp.default"} & set(ops)


def test_fused_calls_give_what_the_single_ones_give(
    program: Program,
    model: Model,
    batch: tuple[torch.Tensor, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gradients agree within rounding with a graph that is run as it was written, and with eager PyTorch."""
    quick = results(program, model, batch)
    monkeypatch.setattr(simplified, "fused", list)
    monkeypatch.setattr(simplified, "reusing", lambda nodes, kept: list(nodes))
    plain = results(program, model, batch)
    eager = torch.autograd.grad(model(batch), list(model.model.parameters()))
    named = dict(zip(program.graphs[ENTRY].outputs, range(len(quick)), strict=True))
    for got, wanted in zip(quick, plain, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-6, rtol=1e-5)
    for (name, _), wanted in zip(model.model.named_parameters(), eager, strict=True):
        torch.testing.assert_close(quick[named[f"grad/{name}"]].clone(), wanted, atol=1e-6, rtol=1e-5)


def test_two_runs_of_a_plan_give_the_same_bits(
    program: Program, model: Model, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    """Nothing that is written in place is a weight, an input or a constant."""
    before = [tensor.clone() for tensor in batch]
    first = [tensor.clone() for tensor in results(program, model, batch)]
    assert all(torch.equal(a, b) for a, b in zip(first, results(program, model, batch), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before, batch, strict=True))


def call(op: str, out: int, *args: object) -> Node:
    return Node(op, args, {}, (out,))  # type: ignore[arg-type]


def product(out: int) -> Node:
    return call("aten.mm.default", out, Ref(0), Ref(1))


def relu(out: int, of: int) -> Node:
    return call("aten.relu.default", out, Ref(of))


@pytest.mark.parametrize(
    ("nodes", "kept"),
    [
        ([product(2), relu(3, 2), relu(4, 2)], {3, 4}),
        ([product(2), relu(3, 2), call("aten.neg.default", 4, Ref(2))], {3, 4}),
        ([product(2), call("aten.view.default", 4, Ref(2), (6,)), relu(3, 2)], {3, 4}),
        ([product(2), relu(3, 2)], {2, 3}),
        ([relu(3, 0)], {3}),
    ],
    ids=["read again by the same", "read again", "seen through a view", "an output", "a parameter"],
)
def test_memory_that_is_read_elsewhere_is_left_alone(nodes: list[Node], kept: set[int]) -> None:
    """The first relu stays as it is where its argument is read after it, or is not its own."""
    first = next(i for i, node in enumerate(nodes) if node.op == "aten.relu.default")
    assert reusing(nodes, kept)[first] == nodes[first]


def test_memory_that_nothing_reads_is_used_again() -> None:
    """A relu of a product takes the product's place."""
    assert reusing([product(2), relu(3, 2)], {3})[1].op == IN_PLACE["aten.relu.default"]


def test_a_formula_that_is_nearly_one_is_left_as_it_is() -> None:
    """x - exp(y) * sum(z) is no backward pass of a soft-max."""
    nodes = [
        call("aten.exp.default", 3, Ref(1)),
        Node("aten.sum.dim_IntList", (Ref(2), (1,), True), {}, (4,)),
        call("aten.mul.Tensor", 5, Ref(3), Ref(4)),
        call("aten.sub.Tensor", 6, Ref(0), Ref(5)),
    ]
    assert fused(nodes) == nodes


def formula() -> Graph:
    """g - exp(y) * sum(g) over dimension 1, with y and g given."""
    nodes = (
        call("aten.exp.default", 3, Ref(1)),
        Node("aten.sum.dim_IntList", (Ref(0), (1,), True), {}, (4,)),
        call("aten.mul.Tensor", 5, Ref(3), Ref(4)),
        call("aten.sub.Tensor", 6, Ref(0), Ref(5)),
    )
    return Graph(nodes, {"loss": Ref(6)})


@pytest.mark.parametrize("shape", [(3, 4), (3, 1), (1, 4)])
def test_other_sizes_than_torchs_kernel_takes_are_computed_plainly(shape: tuple[int, int]) -> None:
    """A gradient that only broadcasts to its result gives what the formula says; the kernel would read past it."""
    gradient, logs = torch.rand(shape), torch.rand(3, 4)
    (found,) = Plan(formula(), 2, ["loss"]).run([gradient, logs], (0, 0, 0))
    torch.testing.assert_close(found, gradient - logs.exp() * gradient.sum(1, True))


@pytest.mark.parametrize("op", [CROSS_ENTROPY_BACKWARD, IN_PLACE[CROSS_ENTROPY_BACKWARD], RELU_BACKWARD])
def test_names_of_fused_calls_are_no_operations_of_a_program(op: str) -> None:
    """They are made here only: a program that names one is refused."""
    from wafer_sim.compiler.check import check_program

    graph = Graph((call(op, 1, Ref(0)),), {"loss": Ref(1)})
    assert [refusal.op for refusal in check_program(Program((), (), {Entry("evaluate", 1): graph}))] == [op]
