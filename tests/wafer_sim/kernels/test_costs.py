"""What a call costs."""

from __future__ import annotations

import pytest

from wafer_sim.kernels.costs import amount
from wafer_sim.kernels.operands import Operand
from wafer_sim.kernels.registry import BY_OPERATION, REGISTRY


def x(*shape: int) -> Operand:
    return Operand(shape, "float32")


PADDED = {"strides": (1, 1, 1, 1), "padding": "SAME"}


@pytest.mark.parametrize(
    ("op", "arguments", "options", "made", "wanted"),
    [
        ("aten.mm.default", (x(2, 3), x(3, 5)), {}, [x(2, 5)], (30, 0)),
        ("aten.addmm.default", (x(5), x(2, 3), x(3, 5)), {}, [x(2, 5)], (30, 10)),
        ("aten.linear.default", (x(2, 3), x(5, 3), x(5)), {}, [x(2, 5)], (30, 10)),
        ("aten.bmm.default", (x(7, 2, 3), x(7, 3, 5)), {}, [x(7, 2, 5)], (210, 0)),
        ("tf.MatMul", (x(3, 2), x(3, 5)), {"transpose_a": True}, [x(2, 5)], (30, 0)),
        ("tf.BatchMatMulV2", (x(7, 3, 2), x(7, 3, 5)), {"adj_x": True}, [x(7, 2, 5)], (210, 0)),
        ("tf.Einsum", (x(7, 2, 3), x(7, 3, 5)), {"equation": "bij,bjk->bik"}, [x(7, 2, 5)], (210, 0)),
        ("tf.Conv2D", (x(1, 4, 4, 3), x(3, 3, 3, 5)), PADDED, [x(1, 4, 4, 5)], (16 * 5 * 27, 0)),
        ("tf.DepthwiseConv2dNative", (x(1, 4, 4, 3), x(3, 3, 3, 2)), PADDED, [x(1, 4, 4, 6)], (16 * 6 * 9, 0)),
        (
            "tf.Conv2DBackpropFilter",
            (x(1, 4, 4, 3), (3, 3, 3, 5), x(1, 4, 4, 5)),
            {},
            [x(3, 3, 3, 5)],
            (16 * 5 * 27, 0),
        ),
        ("tf.Conv2DBackpropInput", ((1, 4, 4, 3), x(3, 3, 3, 5), x(1, 4, 4, 5)), {}, [x(1, 4, 4, 3)], (16 * 5 * 27, 0)),
        ("aten.relu.default", (x(2, 3),), {}, [x(2, 3)], (0, 6)),
        ("aten.exp.default", (x(2, 3),), {}, [x(2, 3)], (0, 48)),
        ("aten.pow.Tensor_Scalar", (x(2, 3), 2), {}, [x(2, 3)], (0, 6)),
        ("aten.pow.Tensor_Scalar", (x(2, 3), 3), {}, [x(2, 3)], (0, 48)),
        ("aten.sum.default", (x(2, 3),), {}, [x()], (0, 6)),
        ("aten.view.default", (x(2, 3), (6,)), {}, [x(6)], (0, 0)),
        ("aten.max_pool2d_with_indices.default", (x(1, 1, 4, 4), (2, 2)), {}, [x(1, 1, 2, 2), None], (0, 16)),
        ("tf.MaxPool", (x(1, 4, 4, 1),), {"ksize": (1, 3, 3, 1)}, [x(1, 2, 2, 1)], (0, 36)),
        ("aten.index_put.default", (x(50, 4), (x(3),), x(3, 4), True), {}, [x(50, 4)], (0, 12)),
        ("tf.UnsortedSegmentSum", (x(3, 4), x(3), 50), {}, [x(50, 4)], (0, 12)),
        ("tf.ResourceApplyGradientDescent", (x(3, 4), x(), x(3, 4)), {}, [], (0, 24)),
    ],
)
def test_the_cost_of_a_call(op, arguments, options, made, wanted):
    """Multiply-accumulates and other operations, by hand."""
    assert amount(op, arguments, options, made) == wanted


@pytest.mark.parametrize(
    ("wanted", "macs"), [((True, True, True), 2), ((False, True, False), 1), ((True, False, False), 1)]
)
def test_a_gradient_that_nobody_reads_costs_nothing(wanted, macs):
    """Of a convolution's three: that of the first layer's input is not made."""
    shapes = (x(1, 5, 4, 4), x(1, 3, 4, 4), x(5, 3, 3, 3))
    arguments = (*shapes, (5,), (1, 1), (1, 1), (1, 1), False, (0, 0), 1, wanted)
    made = [shape if used else None for shape, used in zip((x(1, 3, 4, 4), x(5, 3, 3, 3), x(5)), wanted, strict=True)]
    assert amount("aten.convolution_backward.default", arguments, {}, made) == (macs * 16 * 5 * 27, 80 * wanted[2])


@pytest.mark.parametrize("op", sorted(op for op, kernel in BY_OPERATION.items() if kernel.family == "elementwise"))
def test_each_element_costs_what_the_library_says(op):
    """One result of twelve elements, whatever feeds it."""
    assert amount(op, (x(3, 4), x(4)), {}, [x(3, 4)])[1] == 12 * REGISTRY[BY_OPERATION[op].name].operations
