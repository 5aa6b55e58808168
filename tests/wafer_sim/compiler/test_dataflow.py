"""Dataflow programs as text, and what is no such text."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.compiler.dataflow import Dataflow, DataGraph, DataNode, Dtype, Shape, Value, ancestors
from wafer_sim.compiler.dataflow_json import MAX_CONSTANTS
from wafer_sim.compiler.program import Program, ProgramError
from wafer_sim.compiler.reading import read_program

Flows = ModuleType


def data(flows: Flows) -> dict[str, Any]:
    return json.loads(flows.program().to_json())


def test_a_program_comes_back_as_it_went(flows: Flows) -> None:
    """The text is canonical, and says itself which kind of program it is."""
    text = flows.program().to_json()
    assert read_program(text) == flows.program()
    assert read_program(text).to_json() == text
    plain = Program((), ())
    assert read_program(plain.to_json()) == plain


scalars = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=9))
shapes = st.builds(Shape, st.none() | st.lists(st.none() | st.integers(0, 99), max_size=4).map(tuple))
values = st.binary(max_size=32).map(lambda b: Value("uint8", (len(b),), b))
singles = st.one_of(scalars, shapes, values, st.sampled_from([Dtype("float32"), Dtype("bfloat16")]))


@given(attrs=st.dictionaries(st.text(max_size=5), singles | st.lists(singles, max_size=3).map(tuple), max_size=4))
def test_every_attribute_comes_back(attrs: dict[str, Any]) -> None:
    """Whatever its kind, exactly: infinities and lists too."""
    from wafer_sim.compiler.program import Entry

    program = Dataflow((), (), {Entry("evaluate", 1): DataGraph((DataNode("n", "Op", (), attrs),), {}, {})})
    assert Dataflow.from_json(program.to_json()) == program


def test_the_digest_leaves_out_numbers_of_rank_0_and_lines(flows: Flows) -> None:
    """Another rate is the same executable; another table of numbers is another one."""
    one, faster = flows.program(), flows.program(flows.graph(rate=0.2))
    assert one.to_json() != faster.to_json()
    assert one.digest() == faster.digest()
    tables = [flows.program(flows.graph(flows.constant("table", [value]))).digest() for value in (1.0, 2.0)]
    assert tables[0] != tables[1]
    counts = [flows.program(flows.graph(flows.constant("count", value, "int64"))).digest() for value in (1, 2)]
    assert counts[0] != counts[1]
    elsewhere = one.to_json().replace("model.py:3", "other.py:9")
    assert read_program(elsewhere).digest() == one.digest()


def test_ancestors_are_what_is_needed(flows: Flows) -> None:
    """Through values and through what only has to come first; nothing else."""
    graph = flows.graph()
    assert ancestors(graph, ["^train"]) == {"train", "global_step", "one", "down", "w", "rate", "dw/reduced"}
    assert "dw/reduced" not in ancestors(graph, ["loss", "dw"])


def nodes(program: dict[str, Any]) -> list[Any]:
    return program["graphs"]["gradients@4"]["nodes"]


def attrs(program: dict[str, Any], at: int) -> dict[str, Any]:
    return nodes(program)[at][3]


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


CONSTANT = 7
HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another format": lambda p: p.update(format=99),
    "another kind": lambda p: p.update(kind="pickle"),
    "no graphs": lambda p: p.pop("graphs"),
    "graphs as a list": lambda p: p.update(graphs=[]),
    "another entry": lambda p: p["graphs"].update({"predict@4": {}}),
    "a node twice": lambda p: nodes(p).append(nodes(p)[0]),
    "a node that reads itself": lambda p: nodes(p)[0].__setitem__(2, ["x"]),
    "a node that reads a later one": lambda p: nodes(p)[0].__setitem__(2, ["loss"]),
    "a value after an order": lambda p: nodes(p)[-1].__setitem__(2, ["^down", "global_step"]),
    "an output of an order": lambda p: nodes(p)[-1].__setitem__(2, ["^down:1"]),
    "a name that is a path": lambda p: nodes(p)[0].__setitem__(0, "../x y"),
    "a name with a line break": lambda p: nodes(p)[0].__setitem__(0, "x\n"),
    "a name without an end": lambda p: nodes(p)[0].__setitem__(0, "x" * 5000),
    "a number as a name": lambda p: nodes(p)[0].__setitem__(0, 7),
    "a node with too little": lambda p: nodes(p)[0].pop(),
    "a fetch of nothing": lambda p: p["graphs"]["gradients@4"]["fetches"].update(loss="nowhere"),
    "a feed of nothing": lambda p: p["graphs"]["gradients@4"]["feeds"].update({"input/x": "nowhere"}),
    "a feed that is a list": lambda p: p["graphs"]["gradients@4"]["feeds"].update({"input/x": ["x"]}),
    "an attribute that is a function": lambda p: attrs(p, 0).update(f={"func": "f"}),
    "an attribute of two kinds": lambda p: attrs(p, 0).update(f={"dtype": "float32", "float": "0x1p0"}),
    "an attribute that is null": lambda p: attrs(p, 0).update(f=None),
    "an attribute beyond 64 bits": lambda p: attrs(p, 0).update(f=2**64),
    "attributes without end": lambda p: attrs(p, 0).update({str(n): 1 for n in range(99)}),
    "an attribute that is nested": lambda p: attrs(p, 0).update(f=nested(5)),
    "a shape below zero": lambda p: attrs(p, 0).update(shape={"shape": [-1]}),
    "a shape of many dimensions": lambda p: attrs(p, 0).update(shape={"shape": [1] * 100}),
    "a shape of truths": lambda p: attrs(p, 0).update(shape={"shape": [True]}),
    "a constant of the wrong size": lambda p: attrs(p, CONSTANT).update(value={"tensor": ["float32", [9], "AAAA"]}),
    "a constant of text": lambda p: attrs(p, CONSTANT).update(value={"tensor": ["string", [0], ""]}),
    "a constant that is no base64": lambda p: attrs(p, CONSTANT).update(value={"tensor": ["uint8", [3], "!!!!"]}),
    "a variable too large": lambda p: p["parameters"][0].__setitem__(1, [2**31, 2**31]),
    "a variable trained by text": lambda p: p["parameters"][0].__setitem__(3, "yes"),
    "a variable with too little": lambda p: p["parameters"][0].pop(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_program_is_refused(flows: Flows, name: str) -> None:
    """Every break is met by one kind of error, before anything is made of it."""
    broken = data(flows)
    HOSTILE[name](broken)
    with pytest.raises(ProgramError):
        read_program(json.dumps(broken))


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "7", '{"kind": "dataflow"}', "[" * 100_000])
def test_no_json_is_no_program(text: str) -> None:
    """Of neither kind."""
    with pytest.raises(ProgramError):
        read_program(text)


def test_constants_have_a_bound(flows: Flows) -> None:
    """The sum counts, not the single one."""
    broken = data(flows)
    half = MAX_CONSTANTS // 2 + 1
    tensor = {"tensor": ["uint8", [half], base64.b64encode(bytes(half)).decode()]}
    nodes(broken).extend([f"c{n}", "Const", [], {"dtype": {"dtype": "uint8"}, "value": tensor}, ""] for n in range(2))
    with pytest.raises(ProgramError, match="bytes of constants"):
        read_program(json.dumps(broken))
