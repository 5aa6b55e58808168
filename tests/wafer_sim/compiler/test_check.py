"""The program check."""

from __future__ import annotations

import dataclasses

import pytest

from wafer_sim.compiler.check import check_program, require_supported
from wafer_sim.compiler.program import (
    EVALUATE,
    GRADIENTS,
    Constant,
    Entry,
    Graph,
    Node,
    Parameter,
    Program,
    Ref,
    Tensor,
)
from wire.errors import Refused


def program(*nodes: Node, outputs: dict[str, Ref] | None = None) -> Program:
    """One parameter w, one input x, and a sum of both as loss and as gradient."""
    total = Node("aten.add.Tensor", (Ref(0), Ref(1)), {}, (2,), "model.py:3")
    outputs = {"loss": Ref(2), "grad/w": Ref(2)} if outputs is None else outputs
    graph = Graph((total, *nodes), outputs)
    parameters = (Parameter(Tensor("w", (3,), "float32")),)
    return Program(parameters, (Tensor("x", (3,), "float32"),), {Entry(GRADIENTS, 4): graph})


def test_a_whole_program_passes() -> None:
    """Nothing is said against a program that is right."""
    assert check_program(program()) == []
    require_supported(program())


def test_all_unsupported_operations_are_named_at_once_with_their_lines() -> None:
    """Two operations without kernels give one error with both names, both lines and their ways out."""
    odd = Node("aten.nonzero.default", (Ref(2),), {}, (3,), "model.py:41")
    odder = Node("aten._fft_r2c.default", (Ref(2), (0,), 0, True), {}, (4,), "model.py:57")
    with pytest.raises(Refused) as caught:
        require_supported(program(odd, odder))
    assert "2 of the model's operations" in caught.value.what
    assert "aten.nonzero.default at model.py:41 (its result's shape depends on the data" in caught.value.what
    assert "aten._fft_r2c.default at model.py:57" in caught.value.what
    assert caught.value.where == "model.py:41, model.py:57"


def test_an_operation_used_twice_on_a_line_is_said_once() -> None:
    """The list is of places to mend, not of calls."""
    odd = [Node("aten.nonzero.default", (Ref(2),), {}, (i,), "model.py:41") for i in (3, 4)]
    with pytest.raises(Refused) as caught:
        require_supported(program(*odd))
    assert caught.value.what.count("aten.nonzero.default") == 1


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"loss": Ref(2)}, "output 'grad/w' is missing"),
        ({"grad/w": Ref(2)}, "output 'loss' is missing"),
        ({"loss": Ref(2), "grad/w": Ref(2), "grad/v": Ref(2)}, "output 'grad/v' has no meaning"),
        ({"loss": Ref(2), "grad/w": Ref(2), "buffer/w": Ref(2)}, "output 'buffer/w' has no meaning"),
    ],
)
def test_outputs_of_a_gradient_graph(outputs: dict[str, Ref], said: str) -> None:
    """A gradient graph gives a loss and one gradient for each trained parameter, and nothing unknown."""
    assert [r.hint for r in check_program(program(outputs=outputs))] == [said]


def test_a_graph_of_no_known_kind_is_refused() -> None:
    """A program is data, and may say anything."""
    odd = dataclasses.replace(program(), graphs={Entry("predict", 4): Graph((), {})})
    assert [refusal.hint for refusal in check_program(odd)] == ["'predict' is no kind of graph"]


def test_metrics_come_in_pairs() -> None:
    """A metric without its count cannot be added up over batches."""
    graph = Graph((), {"loss": Ref(0), "metric/accuracy/sum": Ref(0)})
    bare = dataclasses.replace(program(), graphs={Entry(EVALUATE, 4): graph})
    assert [r.hint for r in check_program(bare)] == ["output 'metric/accuracy/count' is missing"]


def test_unknown_dtypes_are_found_in_tensors_and_in_nodes() -> None:
    """A dtype that the wafer does not know is refused wherever it stands."""
    odd = Node("aten.full.default", ((), 0), {"dtype": Constant("dtype", "complex64")}, (3,), "model.py:5")
    assert [r.hint for r in check_program(program(odd))] == ["dtype 'complex64' is not known"]
    strange = dataclasses.replace(program(), inputs=(Tensor("x", (3,), "string"),))
    assert "'x' has dtype 'string'" in check_program(strange)[0].hint


def test_a_name_is_given_once_and_a_program_has_a_graph() -> None:
    """Two parameters of one name, and no graph at all, are structural errors."""
    twice = Program(2 * program().parameters, (), {})
    assert {r.hint for r in check_program(twice)} == {"'w' names more than one tensor", "the program has no graph"}


def test_networks_of_the_csoft_era_are_covered(tracing) -> None:
    """Dense, convolutional, batch-normed, attention and regression nets, both precisions, forward and backward."""
    for net, batch in tracing.NETS.values():
        for bfloat16 in (False, True):
            assert check_program(tracing.trace(net(), batch(2), [2], bfloat16)) == []
