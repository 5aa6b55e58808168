"""What a valid kernel graph is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wafer_sim.graph.kernel_graph import Call, Cost, KernelGraph, Ref, Spec
from wafer_sim.graph.validity import InvalidGraphError, require_valid

CALLS = (
    Call("matmul", (Ref("@x"), Ref("$w")), ("%y",), {}, "forward", "", Cost(6, 0, 36, 8), "fc.matmul"),
    Call("matmul", (Ref("%y"), Ref("$w")), ("%g",), {}, "backward", "", Cost(6, 0, 36, 24), "fc.matmul"),
    Call("sgd", (Ref("$w"), Ref("%g")), (), {}, "update", "", Cost(0, 12, 48, 24), "fc.matmul"),
)
VALUES = {
    "$w": Spec((3, 2), "float32"),
    "@x": Spec((1, 3), "float32"),
    "%y": Spec((1, 2), "float32"),
    "%g": Spec((3, 2), "float32"),
}
GRAPH = KernelGraph("cut", 1, {"$w": True}, ("@x",), VALUES, CALLS, {"loss": "%y", "grad/w": "%g"})


def with_call(number: int, **changes: object) -> KernelGraph:
    calls = list(GRAPH.calls)
    calls[number] = replace(calls[number], **changes)
    return replace(GRAPH, calls=tuple(calls))


def test_a_valid_graph_is_valid():
    """The graph that the others here are made of."""
    require_valid(GRAPH)


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (replace(GRAPH, stage="begun"), "there is no stage 'begun'"),
        (replace(GRAPH, batch=0), "a batch has 0 samples"),
        (replace(GRAPH, parameters={"$w": True, "v": True}), "'v' does not begin with '\\$'"),
        (with_call(0, arguments=(Ref("%z"),)), "reads '%z' before it is made"),
        (with_call(1, outputs=("%y",)), "'%y' is made twice"),
        (with_call(1, outputs=("y",)), "'y' does not begin with '%'"),
        (with_call(1, phase="sideways"), "in no phase 'sideways'"),
        (with_call(1, phase="update", layer="other"), None),
        (with_call(2, phase="forward"), "matmul is backward|sgd is forward"),
        (replace(GRAPH, outputs={"loss": "%z"}), "output 'loss' is '%z', which nothing makes"),
        (replace(GRAPH, values={k: v for k, v in VALUES.items() if k != "%g"}), "nothing is known of '%g'"),
        (replace(GRAPH, values={**VALUES, "%h": VALUES["%g"]}), "'%h' is known, but nothing makes it"),
        (replace(GRAPH, values={**VALUES, "%g": Spec((3,), "complex64")}), "'%g' is Spec"),
        (replace(GRAPH, values={**VALUES, "%g": Spec((-3,), "float32")}), "'%g' is Spec"),
        (with_call(0, cost=None), "matmul has the cost None"),
        (with_call(0, cost=Cost(-1)), "matmul has the cost"),
        (with_call(0, layer=""), "matmul is in no layer"),
        (with_call(1, phase="forward"), "two calls in phase forward"),
        (replace(with_call(0, kernel="spin"), stage="match"), "spin is no kernel"),
        (replace(GRAPH, stage="shapes"), "matmul is no operation of the library"),
        (with_call(0, kernel="constant"), "constant computes nothing and is still there"),
    ],
)
def test_a_graph_that_is_not_what_its_stage_says_is_refused(graph, why):
    """Each rule, by its words; None for one that is no fault."""
    if why is None:
        require_valid(graph)
        return
    with pytest.raises(InvalidGraphError, match=why):
        require_valid(graph)


def test_shapes_need_not_be_known_before_they_are_inferred():
    """Early stages know parameters and inputs only."""
    early = {name: VALUES[name] for name in ("$w", "@x")}
    calls = tuple(replace(call, kernel="aten.mm.default") for call in CALLS)
    require_valid(replace(GRAPH, stage="read", values=early, calls=calls))
    with pytest.raises(InvalidGraphError, match="nothing is known of '@x'"):
        require_valid(replace(GRAPH, stage="read", values={"$w": VALUES["$w"]}, calls=calls))
