"""A kernel graph as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.graph.kernel_graph import BYTES, PHASES, Call, Cost, Dtype, KernelGraph, Ref, Spec
from wafer_sim.graph.text import to_text
from wafer_sim.graph.text_reader import from_text
from wafer_sim.graph.tokens import TextError
from wafer_sim.graph.validity import STAGES

anything = st.text(max_size=6) | st.sampled_from(
    ["a.b", "x#1", "in", "_", "inf", "1e5", "nan", "dtype.x", "true", "a b", "-1"]
)
keys = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True).filter(lambda key: key not in ("inf", "nan"))
references = st.builds(Ref, st.builds(str.__add__, st.sampled_from("$@%"), anything))
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | anything
leaves = plain | references | st.builds(Dtype, st.sampled_from(sorted(BYTES)))
arguments = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
specs = st.builds(Spec, st.lists(st.integers(0, 99), max_size=3).map(tuple), st.sampled_from(sorted(BYTES)))
costs = st.builds(Cost, *[st.integers(0, 10**18)] * 4)


@st.composite
def graphs(draw: st.DrawFn) -> KernelGraph:
    """Any graph whose values are named as they must be; what is valid is another question."""
    parameters = draw(st.dictionaries(anything.map("$".__add__), st.booleans(), max_size=3))
    inputs = tuple(draw(st.lists(anything.map("@".__add__), max_size=2, unique=True)))
    made = draw(st.lists(anything.map("%".__add__), max_size=4, unique=True))
    known = [name for name in (*parameters, *inputs, *made) if draw(st.booleans())]
    calls = []
    for i in range(0, len(made), 2):
        outputs = tuple(draw(st.sampled_from([name, None])) for name in made[i : i + 2])
        options = draw(st.dictionaries(keys, arguments, max_size=2))
        given_to = tuple(draw(st.lists(arguments, max_size=3)))
        rest = (draw(st.sampled_from(PHASES)), draw(anything), draw(st.none() | costs), draw(anything))
        calls.append(Call(draw(anything.filter(lambda n: n[:1] not in "$@%")), given_to, outputs, options, *rest))
    told = {name for call in calls for name in call.made} | parameters.keys() | set(inputs)
    values = {name: draw(specs) for name in known if name in told}
    ends = draw(st.dictionaries(anything, anything.map("%".__add__), max_size=2))
    return KernelGraph(
        draw(st.sampled_from(STAGES)), draw(st.integers(1, 999)), parameters, inputs, values, tuple(calls), ends
    )


@given(graphs())
def test_what_was_written_is_read_again(graph):
    """Whatever its names, arguments, shapes and costs."""
    assert from_text(to_text(graph)) == graph


def test_the_text_reads_well():
    """One line for each call: phase, what is made, of what, where from, at what cost."""
    product = Call(
        "matmul",
        (Ref("@data"), Ref("$fc.weight")),
        ("%1", None),
        {},
        "forward",
        "model.py:7",
        Cost(6, 1, 20, 8),
        "fc.matmul",
    )
    values = {"$fc.weight": Spec((3, 2), "float32"), "@data": Spec((1, 3), "float16"), "%1": Spec((1, 2), "float32")}
    graph = KernelGraph("cut", 1, {"$fc.weight": True}, ("@data",), values, (product,), {"loss": "%1"})
    assert to_text(graph).splitlines() == [
        "graph cut of 1",
        "$fc.weight:float32[3,2] trained",
        "@data:float16[1,3]",
        '> %1:float32[1,2], _ <- matmul(@data, $fc.weight); at "model.py:7"; in "fc.matmul"; '
        "6 macs 1 other 20 read 8 written",
        "output loss %1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "graph cut",
        "graph cut of 1\n%1 trained",
        "graph cut of 1\n$w:float32[2] learnt",
        "graph cut of 1\n$w:float32[x] trained",
        "graph cut of 1\n> %1 matmul()",
        "graph cut of 1\n> %1 <- matmul(",
        "graph cut of 1\n> %1 <- matmul(!)",
        "graph cut of 1\n> %1 <- matmul(); 1 macs",
        "graph cut of 1\n> %1 <- matmul() and more",
        "graph cut of 1\n> %1 <- matmul(word)",
        "graph cut of 1\n> %1 <- matmul(1 2)",
        "graph cut of 1\noutput loss %1 %2",
        "graph cut of 1\n@x:float32[1] trained",
    ],
)
def test_what_is_no_graph_is_an_error(text):
    """And it names the line."""
    with pytest.raises(TextError):
        from_text(text)
