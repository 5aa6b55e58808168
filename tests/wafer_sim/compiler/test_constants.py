"""The constants of a program, which may change without compiling again."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from wafer_sim.compiler.constants import changes, counts, optimizer_changes
from wafer_sim.compiler.dataflow import Dataflow, DataNode, Dtype, Value
from wafer_sim.compiler.program import EVALUATE, Entry, Graph, Node, Program, Ref, Tensor
from wafer_sim.compiler.training import OptimizerSpec

CAST = {"SrcT": Dtype("int32"), "DstT": Dtype("float32"), "Truncate": False}
ONE, TWO = b"\x80\x3f", b"\x00\x40"


def reading(flows: ModuleType, op: str, attrs: dict[str, Any], value: int = 100) -> Dataflow:
    """A program with an integer scalar that an operation reads."""
    steps = flows.constant("steps", value, "int32")
    return flows.program(flows.graph(steps, DataNode("reader", op, ("steps",), attrs)))


@pytest.mark.parametrize(
    ("op", "attrs", "loose"),
    [
        ("Cast", CAST, True),
        ("Less", {"T": Dtype("int32")}, True),
        ("Cast", {**CAST, "DstT": Dtype("int64")}, False),
        ("Mul", {"T": Dtype("int32")}, False),
    ],
)
def test_a_whole_number_that_can_shape_nothing_may_change(
    flows: ModuleType, op: str, attrs: dict[str, Any], loose: bool
) -> None:
    """The steps of a schedule are cast or compared; whatever else is done with a number may make a shape."""
    one, other = reading(flows, op, attrs), reading(flows, op, attrs, 200)
    assert (one.digest() == other.digest()) == loose
    assert ("steps" in counts(one.graphs[flows.TRAIN])) == loose
    if loose:
        assert changes(one, other) == ["steps 100 -> 200"]


def test_a_whole_number_that_is_asked_for_or_read_by_nobody_may_not_change(flows: ModuleType) -> None:
    """Nobody knows what becomes of it."""
    fetched = flows.graph(flows.constant("count", 3, "int64"), **{"observed/0": "count"})
    unread = flows.graph(flows.constant("count", 3, "int64"))
    assert not counts(fetched) | counts(unread)


def test_changes_of_a_tensorflow_program_are_named(flows: ModuleType) -> None:
    """By the names of nodes and variables; also in bfloat16."""
    assert changes(flows.program(), flows.program(flows.graph(rate=0.2))) == ["rate 0.1 -> 0.2"]
    one, two = (
        flows.program(flows.graph(DataNode("b", "Const", (), {"value": Value("bfloat16", (), data)})))
        for data in (ONE, TWO)
    )
    assert changes(one, two) == ["b 1 -> 2"]
    assert changes(one, one) == []


def torch_program(rate: float, epsilon: float) -> Program:
    dropout = Node("aten.dropout.default", (Ref(0), rate, True), {}, (1,), "model.py:7")
    norm = Node("aten.add.Scalar", (Ref(1), epsilon), {"alpha": 1.0}, (2,))
    graph = Graph((dropout, norm), {"loss": Ref(2)})
    return Program((), (Tensor("x", (3,), "float32"),), {Entry(EVALUATE, 4): graph})


def test_changes_of_a_pytorch_program_are_named() -> None:
    """By the user's lines; what has none only where nothing else changed."""
    one = torch_program(0.1, 1e-5)
    assert changes(one, torch_program(0.2, 1e-6)) == ["dropout at model.py:7 0.1 -> 0.2"]
    assert changes(one, torch_program(0.1, 1e-6)) == ["add 1e-05 -> 1e-06"]


def adam(**section: Any) -> OptimizerSpec:
    return OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 0.1, **section})


def test_changes_of_an_optimizer_are_named_by_their_keys() -> None:
    """A schedule that changed in several places is named once; a long list is cut."""
    schedule = {"scheduler": "Linear", "initial_learning_rate": 0.1, "end_learning_rate": 0.0, "steps": 10}
    assert optimizer_changes(adam(), adam(learning_rate=0.2)) == ["optimizer.learning_rate 0.1 -> 0.2"]
    assert optimizer_changes(adam(), adam(beta1=0.8)) == ["optimizer.beta1 0.9 -> 0.8"]
    assert optimizer_changes(adam(), adam(learning_rate=schedule)) == ["optimizer.learning_rate"]
    assert optimizer_changes(adam(), adam(max_gradient_norm=1.0)) == ["optimizer.max_gradient_norm"]
    keys = ("beta1", "beta2", "eps", "learning_rate", "weight_decay_rate", "max_gradient_norm", "loss_scaling_factor")
    assert optimizer_changes(adam(), adam(**dict.fromkeys(keys, 0.5)))[-1] == "and 1 more"
