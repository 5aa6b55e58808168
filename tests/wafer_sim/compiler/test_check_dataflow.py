"""The check of dataflow programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wafer_sim.compiler.check import check_program, require_supported
from wafer_sim.compiler.dataflow import DataNode, Dtype, Shape, Variable
from wafer_sim.compiler.program import Tensor
from wafer_sim.executables import read_executable, write_executable
from wire.errors import Refused

Flows = ModuleType
FLOAT = {"T": Dtype("float32")}


def test_a_whole_program_passes_and_is_an_executable(flows: Flows, tmp_path: Path) -> None:
    """It is written, read and found again as the other kind of program is."""
    assert check_program(flows.program()) == []
    path, there, _ = write_executable(tmp_path, flows.program())
    assert not there
    assert read_executable(path) == flows.program()
    assert write_executable(tmp_path, flows.program())[:2] == (path, True)


NODES = {
    "a file": (DataNode("n", "ReadFile", (), {}, "model.py:9"), "reaches out of the graph"),
    "Python": (DataNode("n", "EagerPyFunc", (), {}, "model.py:9"), "Python cannot run"),
    "a checkpoint": (DataNode("n", "SaveV2", (), {}, "model.py:9"), "reaches out of the graph"),
    "a branch": (DataNode("n", "If", (), {}, "model.py:9"), "tf.where"),
    "a check": (DataNode("n", "Assert", (), {}, "model.py:9"), "a check cannot stop training"),
    "a state of its own": (DataNode("n", "RandomUniform", (), {}, "model.py:9"), "StatelessRandomUniform"),
    "an unfed placeholder": (DataNode("n", "Placeholder", (), {"dtype": Dtype("float32")}), "only features and labels"),
    "an attribute": (DataNode("n", "Neg", ("x",), {**FLOAT, "_class": ("loc:@x",)}), "unknown attribute '_class'"),
    "a shared resource": (
        DataNode("n", "VarHandleOp", (), {"dtype": Dtype("float32"), "shape": Shape((3, 1)), "shared_name": "other"}),
        "no variable of the program",
    ),
    "a container": (
        DataNode("n", "VarHandleOp", (), {"dtype": Dtype("float32"), "shared_name": "w", "container": "else"}),
        "unknown attribute 'container'",
    ),
    "another shape": (
        DataNode("n", "VarHandleOp", (), {"dtype": Dtype("float32"), "shape": Shape((9, 9)), "shared_name": "w"}),
        "another shape",
    ),
    "text": (DataNode("n", "Identity", ("x",), {"T": Dtype("string")}), "'string' is not known"),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_without_a_kernel_is_refused(flows: Flows, name: str) -> None:
    """By its name and the user's line, with a way out."""
    node, says = NODES[name]
    with pytest.raises(Refused) as refusal:
        require_supported(flows.program(flows.graph(node)))
    assert says in str(refusal.value)
    assert node.op in str(refusal.value)
    assert refusal.value.where == node.source


def changed(graph: Any, **changes: Any) -> Any:
    return dataclasses.replace(graph, **changes)


def breaks(flows: Flows) -> dict[str, Any]:
    whole, graph = flows.program(), flows.graph()
    no_train = {k: v for k, v in graph.fetches.items() if k != "train"}
    unfed = {k: v for k, v in graph.feeds.items() if k != "grad/w"}
    update = {"dtype": Dtype("float32")}
    return {
        "'train' is missing": flows.program(changed(graph, fetches=no_train)),
        "'buffer/w' has no meaning": flows.program(flows.graph(**{"buffer/w": "loss"})),
        "'grad/none' has no meaning": flows.program(flows.graph(**{"grad/none": "loss"})),
        "'other' has no meaning": flows.program(flows.graph(other="loss")),
        "nothing feeds 'environment'": flows.program(changed(graph, feeds={**graph.feeds, "environment": "x"})),
        "not both made and taken": flows.program(changed(graph, feeds=unfed)),
        "is no Placeholder": flows.program(changed(graph, feeds={**graph.feeds, "input/x": "y"})),
        "read by the wrong part": flows.program(changed(graph, fetches={**graph.fetches, "train": "loss"})),
        "changes a variable while": flows.program(
            flows.graph(
                DataNode("early", "AssignVariableOp", ("w", "w/read"), update),
                DataNode("late", "Identity", ("loss", "^early"), FLOAT),
                loss="late",
            )
        ),
        "unknown role 'spy'": dataclasses.replace(
            whole, parameters=(*whole.parameters, Variable(Tensor("v", (), "float32"), role="spy"))
        ),
        "names more than one": dataclasses.replace(whole, parameters=whole.parameters * 2),
        "has dtype 'string'": dataclasses.replace(whole, inputs=(*whole.inputs, Tensor("s", (), "string"))),
        "the program has no graph": dataclasses.replace(whole, graphs={}),
    }


def test_a_program_that_is_not_whole_is_refused(flows: Flows) -> None:
    """Each break of its structure is said."""
    for says, broken in breaks(flows).items():
        assert any(says in str(refusal) for refusal in check_program(broken)), says


def test_what_is_looked_at_changes_nothing(flows: Flows) -> None:
    """It may need the batch and the reduced gradients at once; an update before it is refused."""
    norm = DataNode("norm", "L2Loss", ("dw/reduced", "^loss"), FLOAT)
    assert check_program(flows.program(flows.graph(norm, **{"observed/0": "norm"}))) == []
    after = DataNode("norm", "L2Loss", ("dw/reduced", "^down"), FLOAT)
    refusals = check_program(flows.program(flows.graph(after, **{"observed/0": "norm"})))
    assert ["changes a variable" in str(refusal) for refusal in refusals] == [True]


def test_an_assertion_is_for_evaluation_only(flows: Flows) -> None:
    """Training cannot be stopped by one; metrics, which a host counts, may be checked."""
    check = DataNode("check", "Assert", ("loss", "loss"), {"T": (Dtype("float32"),), "summarize": 3}, "model.py:9")
    assert any("cannot stop training" in str(refusal) for refusal in check_program(flows.program(flows.graph(check))))
    whole = flows.program()
    evaluation = whole.graphs[flows.EVAL]
    checked = changed(evaluation, nodes=(*evaluation.nodes, check))
    assert check_program(dataclasses.replace(whole, graphs={flows.EVAL: checked})) == []
