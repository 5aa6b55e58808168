"""ATen's shape rules give what torch gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wafer_sim.compiler.passes.from_program import from_program
from wafer_sim.compiler.passes.shapes import results
from wafer_sim.graph.kernel_graph import Dtype, Ref
from wafer_sim.kernels.aten import KERNELS
from wafer_sim.kernels.aten_shapes import aten_result
from wafer_sim.kernels.operands import Operand, Result
from wire.errors import Refused

MODELS = ("dense", "regression", "conv", "unet", "bert", "gpt2", "t5")
B = "bool"
I = "int64"  # noqa: E741 - it is read beside B


def meta(argument: Any, known: dict[str, torch.Tensor]) -> Any:
    """An argument as torch takes it, with meta tensors."""
    if isinstance(argument, Ref):
        return known[argument.name]
    if isinstance(argument, Operand):
        return torch.empty(argument.shape, dtype=getattr(torch, argument.dtype), device="meta")
    if isinstance(argument, Dtype):
        return getattr(torch, argument.name)
    return [meta(a, known) for a in argument] if isinstance(argument, tuple | list) else argument


def called(op: str, arguments: Any, options: dict[str, Any], known: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """What torch gives for a call on meta tensors."""
    _, name, overload = op.replace("aten.view.default", "aten.reshape.default").split(".")
    kwargs = {key: meta(value, known) for key, value in options.items()}
    function = getattr(getattr(torch.ops.aten, name), overload)
    if any(a.name == "device" for a in function._schema.arguments):
        kwargs["device"] = "meta"
    found = function(*(meta(a, known) for a in arguments), **kwargs)
    return list(found) if isinstance(found, tuple | list) else [found]


def said(found: list[torch.Tensor]) -> list[tuple[tuple[int, ...], str]]:
    return [(tuple(t.shape), str(t.dtype).removeprefix("torch.")) for t in found]


def given(found: Result) -> list[tuple[tuple[int, ...], str]]:
    return [(o.shape, o.dtype) for o in found]


@pytest.mark.parametrize(("name", "mixed"), [*((name, False) for name in MODELS), ("unet", True), ("bert", True)])
def test_every_value_of_a_model_has_the_shape_that_torch_gives_it(networks, name, mixed):
    """Forward and backward, in training and evaluation, in float32 and mixed precision."""
    program = networks.program(name, mixed)
    for entry in (networks.TRAIN, networks.EVAL):
        graph = from_program(program, entry)
        known = {n: meta(Operand(s.shape, s.dtype), {}) for n, s in graph.values.items()}
        found = {n: Operand(s.shape, s.dtype) for n, s in graph.values.items()}
        for call in graph.calls:
            wanted = called(call.kernel, call.arguments, dict(call.options), known)
            made = results(call, found)
            for value, tensor, operand in zip(call.outputs, wanted, made, strict=False):
                if value is not None:
                    assert given((operand,)) == said([tensor]), call
                    known[value], found[value] = tensor, operand


def x(*shape: int, dtype: str = "float32") -> Operand:
    return Operand(shape, dtype)


CALLS: list[tuple[Any, ...]] = [
    ("aten.mv.default", x(3, 4), x(4)),
    ("aten.dot.default", x(4), x(4)),
    ("aten.addmv.default", x(3), x(3, 4), x(4)),
    ("aten.baddbmm.default", x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)),
    ("aten.linear.default", x(2, 3, 4), x(5, 4), x(5)),
    ("aten.add.Tensor", x(3, 1, dtype="int32"), x(4, dtype="float16")),
    ("aten.add.Tensor", x(3, dtype="bfloat16"), x(3, dtype="float16")),
    ("aten.add.Tensor", x(3, dtype="uint8"), x(3, dtype="int8")),
    ("aten.add.Tensor", x(3, dtype="float16"), x(dtype="float32")),
    ("aten.add.Tensor", x(3, dtype=I), x(dtype="float32")),
    ("aten.mul.Tensor", x(3, dtype=I), 2.5),
    ("aten.mul.Tensor", x(3, dtype=B), 2),
    ("aten.div.Tensor", x(3, dtype=I), x(3, dtype=I)),
    ("aten.sqrt.default", x(3, dtype=I)),
    ("aten.pow.Tensor_Scalar", x(3, dtype=I), 2),
    ("aten.clamp.default", x(3, 4, dtype=I), 0, 5),
    ("aten.clamp.Tensor", x(3, 4), x(4)),
    ("aten.masked_fill.Tensor", x(3, 4), x(3, 1, dtype=B), x()),
    ("aten.where.self", x(3, 1, dtype=B), x(3, 4), x(dtype="float32")),
    ("aten.masked_fill.Scalar", x(3, 4), x(4, dtype=B), -1.0),
    ("aten.bitwise_and.Tensor", x(3, dtype=B), x(3, dtype=B)),
    ("aten.bitwise_not.default", x(3, dtype=I)),
    ("aten.eq.Scalar", x(3, 4), 0),
    ("aten.elu.default", x(3, 4)),
    ("aten.elu_backward.default", x(3), 1.0, 1.0, 1.0, False, x(3)),
    ("aten.sum.default", x(3, 4, dtype=B)),
    ("aten.sum.dim_IntList", x(3, 4, dtype="int32"), (-1,)),
    ("aten.sum.dim_IntList", x(3, 4), (0, 1), True),
    ("aten.mean.dim", x(3, 4), (1,), True),
    ("aten.prod.dim_int", x(3, 4), 1),
    ("aten.amax.default", x(3, 4), (1,), True),
    ("aten.max.dim", x(3, 4), 1),
    ("aten.min.dim", x(3, 4), 0, True),
    ("aten.argmax.default", x(3, 4), -1),
    ("aten.argmin.default", x(3, 4)),
    ("aten.any.dim", x(3, 4), 1),
    ("aten.all.default", x(3, 4, dtype=B)),
    ("aten.cumsum.default", x(3, 4, dtype="int32"), 1),
    ("aten.var.correction", x(3, 4), (1,)),
    ("aten.var.dim", x(3, 4), (1,), True, True),
    ("aten.var_mean.correction", x(3, 4), (1,)),
    ("aten.std.correction", x(3, 4)),
    ("aten.logsumexp.default", x(3, 4), (1,)),
    ("aten.linalg_vector_norm.default", x(3, 4), 2, (1,), True),
    ("aten.norm.ScalarOpt_dim", x(3, 4), 2, (1,)),
    ("aten.native_layer_norm.default", x(2, 3, 4), (3, 4), x(3, 4), x(3, 4), 1e-5),
    ("aten.native_group_norm.default", x(2, 4, 5, 5), x(4), x(4), 2, 4, 25, 2, 1e-5),
    ("aten._softmax.default", x(3, 4, dtype="float16"), 1, False),
    ("aten._log_softmax.default", x(3, 4), 1, False),
    ("aten._softmax_backward_data.default", x(3, 4), x(3, 4), 1, Dtype("float32")),
    ("aten.embedding.default", x(7, 3), x(2, 5, dtype=I)),
    ("aten.embedding_dense_backward.default", x(2, 5, 3), x(2, 5, dtype=I), 7, -1, False),
    ("aten.convolution.default", x(2, 3, 9, 8), x(6, 3, 3, 2), None, (2, 1), (1, 0), (2, 1), False, (0, 0), 1),
    ("aten.convolution.default", x(2, 4, 9), x(6, 2, 3), x(6), (2,), (1,), (1,), False, (0,), 2),
    ("aten.convolution.default", x(2, 4, 5, 5), x(4, 3, 3, 3), None, (2, 2), (1, 1), (1, 1), True, (1, 1), 1),
    (
        *("aten.convolution_backward.default", x(2, 6, 7, 7), x(2, 3, 9, 9), x(6, 3, 3, 3), (6,), (1, 1), (0, 0)),
        *((1, 1), False, (0, 0), 1, (True, True, True)),
    ),
    ("aten.max_pool2d_with_indices.default", x(2, 3, 9, 9), (3, 3), (2, 2), (1, 1), (1, 1), True),
    ("aten.max_pool2d_with_indices.default", x(2, 3, 9, 9), (2, 2)),
    ("aten.avg_pool2d.default", x(2, 3, 9, 9), (2, 2), (), (0, 0), True),
    ("aten.avg_pool1d.default", x(2, 3, 9), (2,), (2,)),
    ("aten.avg_pool2d_backward.default", x(1, 1, 2, 2), x(1, 1, 4, 4), (2, 2), (2, 2), (0, 0), False, True, None),
    ("aten._adaptive_avg_pool2d.default", x(2, 3, 9, 9), (2, 1)),
    ("aten._adaptive_avg_pool2d_backward.default", x(2, 3, 1, 1), x(2, 3, 9, 9)),
    ("aten.upsample_nearest2d.vec", x(1, 2, 3, 3), None, (2.0, 2.0)),
    ("aten.upsample_bilinear2d.vec", x(1, 2, 3, 3), (5, 6), False, None),
    ("aten.gather.default", x(3, 4), 1, x(3, 2, dtype=I)),
    ("aten.scatter.value", x(3, 4), 1, x(3, 1, dtype=I), -1.0),
    ("aten.index.Tensor", x(3, 4, 5), (None, x(2, dtype=I))),
    ("aten.index.Tensor", x(3, 4, 5), (x(2, 1, dtype=I), None, x(6, dtype=I))),
    ("aten.index_put.default", x(3, 4), (x(2, dtype=I),), x(2, 4), True),
    ("aten.index_select.default", x(3, 4), 1, x(7, dtype=I)),
    ("aten.select_scatter.default", x(3, 4), x(4), 0, 1),
    ("aten.slice_scatter.default", x(3, 4), x(2, 4), 0, 1, 3),
    ("aten.select_backward.default", x(4), (3, 4), 0, 1),
    ("aten.slice_backward.default", x(2, 4), (3, 4), 0, 1, 3, 1),
    ("aten.topk.default", x(3, 9), 4),
    ("aten.sort.default", x(3, 9)),
    ("aten.roll.default", x(3, 4), (1,), (0,)),
    ("aten.triu.default", x(3, 4), 1),
    ("aten.view.default", x(3, 4), (-1, 2)),
    ("aten.expand.default", x(3, 1), (2, -1, 4)),
    ("aten.permute.default", x(2, 3, 4), (2, 0, -2)),
    ("aten.t.default", x(2, 3)),
    ("aten.transpose.int", x(2, 3, 4), -1, 0),
    ("aten.squeeze.default", x(2, 1, 3, 1)),
    ("aten.squeeze.dims", x(2, 1, 3, 1), (1, 2)),
    ("aten.unsqueeze.default", x(2, 3), -1),
    ("aten.select.int", x(2, 3, 4), 1, -1),
    ("aten.slice.Tensor", x(2, 9), 1, 2, 9223372036854775807, 3),
    ("aten.slice.Tensor", x(2, 9), 1, -4, -1),
    ("aten.split.Tensor", x(2, 9), 4, 1),
    ("aten.split_with_sizes.default", x(2, 9), (4, 5), 1),
    ("aten.unbind.int", x(3, 4), 1),
    ("aten.cat.default", (x(2, 3), x(2, 5)), 1),
    ("aten.stack.default", (x(2, 3), x(2, 3)), -1),
    ("aten.repeat.default", x(2, 3), (2, 1, 4)),
    ("aten.constant_pad_nd.default", x(2, 3, 4), (1, 2, 0, -1)),
    ("aten.unfold.default", x(2, 9), 1, 3, 2),
    ("aten.diagonal.default", x(2, 3, 4), 1, 1, 2),
    ("aten.full.default", (2, 3), 1),
    ("aten.full.default", (2, 3), 0.5),
    ("aten.full_like.default", x(2, 3), 1),
    ("aten.scalar_tensor.default", 1),
    ("aten.arange.default", 5),
    ("aten.arange.start", 1.0, 5),
    ("aten.arange.start_step", 1, 10, 4),
    ("aten.eye.default", 3),
    ("aten.new_zeros.default", x(2), (4,)),
    ("aten.fill.Scalar", x(2, 3), 1),
    ("aten.nll_loss_forward.default", x(3, 4), x(3, dtype=I), None, 1, -100),
    ("aten.nll_loss_forward.default", x(3, 4), x(3, dtype=I), None, 0, -100),
    ("aten.nll_loss_backward.default", x(), x(3, 4), x(3, dtype=I), None, 1, -100, x()),
    ("aten.mse_loss.default", x(3, 4), x(3, 4)),
    ("aten.mse_loss.default", x(3, 4), x(3, 4), 0),
    ("aten.mse_loss_backward.default", x(), x(3, 4), x(3, 4), 1),
    ("aten.huber_loss.default", x(3, 4), x(3, 4), 1, 1.0),
    ("aten.binary_cross_entropy_with_logits.default", x(3, 4), x(3, 4), None, None, 2),
    ("aten.native_dropout.default", x(3, 4), 0.5, True),
    ("aten.native_dropout_backward.default", x(3, 4), x(3, 4, dtype=B), 2.0),
    ("aten.bernoulli.p", x(3, 4), 0.5),
    ("aten.rand.default", (3, 4)),
    ("aten.randn_like.default", x(3, 4)),
]


TENSORS_ALONE = [op for op, kernel in KERNELS.items() if kernel.family in ("activation", "elementwise")]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_a_rule_says_what_torch_says(call):
    """Operations with lengths, axes, windows or dtypes of their own, one by one."""
    op, *arguments = call
    assert given(aten_result(op, arguments, {})) == said(called(op, arguments, {}, {}))


@pytest.mark.parametrize("op", sorted(op for op in TENSORS_ALONE if op not in {call[0] for call in CALLS}))
def test_what_works_element_by_element_has_a_rule(op):
    """Of tensors alone: the schema says how many there are."""
    _, name, overload = op.split(".")
    schema = getattr(getattr(torch.ops.aten, name), overload)._schema
    required = [a for a in schema.arguments if not a.has_default_value() and not a.kwarg_only]
    arguments = [{"Tensor": x(3, 4), "number": 2.0, "bool": True}.get(str(a.type), 2.0) for a in required]
    arguments = [
        x(3, 4, dtype=B) if a.name in ("condition", "mask") else v for a, v in zip(required, arguments, strict=True)
    ]
    options = {a.name: "floor" for a in schema.arguments if a.name == "rounding_mode"}
    wanted = said(called(op, arguments, options, {}))
    assert given(aten_result(op, arguments, options))[:1] == wanted[:1]


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("aten.mm.default", (x(2, 3), x(4, 5))),
        ("aten.view.default", (x(3, 4), (5, -1))),
        ("aten.permute.default", (x(3, 4), (0, 0))),
        ("aten.sum.dim_IntList", (x(3, 4), (2,))),
        ("aten.index.Tensor", (x(3, 4), (x(3, dtype=B),))),
        ("aten.unbind.int", (x(1 << 20), 0)),
        ("aten.add.Tensor", (x(3), x(4))),
    ],
)
def test_a_call_that_cannot_be_is_an_error(op, arguments):
    """A program from the wire may say anything."""
    with pytest.raises(ValueError, match=r"\w"):
        aten_result(op, arguments, {})


def test_the_error_is_at_the_users_line(networks):
    """Whatever a rule stumbles over, the operation and the line are named."""
    graph = from_program(networks.program("dense"), networks.TRAIN)
    product = next(call for call in graph.calls if call.kernel == "aten.addmm.default")
    with pytest.raises(Refused, match=r"aten.addmm.default.*networks_torch.py:\d+"):
        results(product, {name: Operand((2, 2), "float32") for name in product.inputs} | {product.inputs[1]: x(7)})
