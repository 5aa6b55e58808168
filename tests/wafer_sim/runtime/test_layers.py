"""A graph's calls as layers: what each reads, and when a parameter may change."""

from __future__ import annotations

from itertools import count

from wafer_sim.compiler.program import Constant, Node, Ref
from wafer_sim.runtime.layers import Layer, cut, near_use
from wafer_sim.runtime.simplify import Call

BFLOAT16 = Constant("dtype", "bfloat16")


def call(number: int, op: str, *args: object, out: int, **kwargs: object) -> Call:
    return Call(number, Node(f"aten.{op}", args, kwargs, (out,), ""))


def two_layers() -> list[Call]:
    """Parameters 0 and 1, input 2; the loss is 6; the gradients are 9 and 11."""
    return [
        call(0, "permute.default", Ref(0), (1, 0), out=3),
        call(1, "mm.default", Ref(2), Ref(3), out=4),
        call(2, "mm.default", Ref(4), Ref(1), out=5),
        call(3, "mean.default", Ref(5), out=6),
        call(4, "ones_like.default", Ref(5), out=7),
        call(5, "permute.default", Ref(4), (1, 0), out=8),
        call(6, "mm.default", Ref(8), Ref(7), out=9),
        call(7, "mm.default", Ref(7), Ref(1), out=10),
        call(8, "mm.default", Ref(10), Ref(2), out=11),
    ]


def test_a_layer_begins_where_another_parameter_is_read_and_ends_with_the_loss() -> None:
    """A view reads nothing; a parameter is complete when its gradient is there and nothing reads it any more."""
    layers = cut(two_layers(), [100, 100], {0: 11, 1: 9}, loss=6)
    assert layers == [Layer(0, 2, (0,)), Layer(2, 4, (1,)), Layer(4, 9, (1,), complete=(0, 1))]


def test_small_parameters_share_a_layer() -> None:
    """As long as they have no more than so many bytes together."""
    layers = cut(two_layers(), [100, 100], {0: 11, 1: 9}, loss=6, least=200)
    assert layers == [Layer(0, 4, (0, 1)), Layer(4, 9, (1,), complete=(0, 1))]


def test_a_gradient_that_shares_memory_with_what_is_still_read_is_not_complete() -> None:
    """An update may change it in place."""
    calls = [
        call(0, "mm.default", Ref(1), Ref(0), out=2),
        call(1, "mean.default", Ref(2), out=3),
        call(2, "mm.default", Ref(1), Ref(1), out=4),
        call(3, "view.default", Ref(4), (4,), out=5),
        call(4, "mm.default", Ref(0), Ref(1), out=6),
        call(5, "relu.default", Ref(4), out=7),
    ]
    layers = cut(calls, [4, 4], {0: 5}, loss=3)
    assert [layer.complete for layer in layers if layer.first <= 5 < layer.last] == [(0,)]


def test_a_loss_that_comes_last_leaves_a_layer_for_the_updates() -> None:
    """No parameter changes before the loss is known."""
    calls = [call(0, "exp.default", Ref(0), out=1), call(1, "mean.default", Ref(1), out=2)]
    assert cut(calls, [4], {0: 1}, loss=2) == [Layer(0, 2, (0,)), Layer(2, 2, (), complete=(0,))]


def test_copies_of_parameters_are_made_where_they_are_used() -> None:
    """A cast weight is not kept from the forward to the backward pass; each copy keeps the number of its call."""
    calls = [
        call(0, "_to_copy.default", Ref(0), dtype=BFLOAT16, out=2),
        call(1, "permute.default", Ref(2), (1, 0), out=3),
        call(2, "mm.default", Ref(1), Ref(3), out=4),
        call(3, "relu.default", Ref(4), out=5),
        call(4, "mm.default", Ref(5), Ref(2), out=6),
    ]
    numbers = count(10)
    near = near_use(calls, 1, [6], lambda: next(numbers))
    assert [(c.number, c.node.op.split(".")[1], c.node.outputs) for c in near] == [
        (0, "_to_copy", (10,)),
        (1, "permute", (11,)),
        (2, "mm", (4,)),
        (3, "relu", (5,)),
        (0, "_to_copy", (12,)),
        (4, "mm", (6,)),
    ]
    assert [c.node.args for c in near if c.node.op == "aten.mm.default"] == [(Ref(1), Ref(11)), (Ref(5), Ref(12))]


def test_a_copy_that_is_a_result_stays() -> None:
    """It is wanted at the end, whoever else uses it."""
    calls = [call(0, "_to_copy.default", Ref(0), dtype=BFLOAT16, out=1), call(1, "exp.default", Ref(1), out=2)]
    assert [c.node.outputs for c in near_use(calls, 1, [1, 2], lambda: 9)] == [(1,), (9,), (2,)]


def test_a_gradient_whose_memory_a_later_call_took_over_is_not_complete() -> None:
    """A call that works in the memory of its first argument shares it, and what it made is read in the next layer."""
    calls = [
        call(0, "mm.default", Ref(2), Ref(0), out=3),
        call(1, "mean.default", Ref(3), out=4),
        call(2, "mm.default", Ref(3), Ref(0), out=5),
        Call(3, Node("wafer.relu_in_place", (Ref(5),), {}, (6,), "")),
        call(4, "mm.default", Ref(6), Ref(1), out=7),
    ]
    layers = cut(calls, [4, 4], {0: 5}, loss=4)
    assert layers == [Layer(0, 2, (0,)), Layer(2, 4, (0,)), Layer(4, 5, (1,), complete=(0,))]
