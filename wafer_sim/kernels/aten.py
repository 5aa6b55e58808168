"""The kernel library: the ATen operations that the wafer has a kernel for.

It is a list of what is allowed, grouped by what the operations serve; whatever is not in it is refused by name. So
it is the security boundary and the kernel match at once. It covers forward and backward, after torch's core
decompositions, of dense, convolutional, recurrent (unrolled) and attention networks and their losses. Nothing in it
reaches files, network or Python, gives a shape that depends on data, changes its arguments, or reads memory that
nothing has written. The fused backward passes of norms and attention are left out on purpose: they trust the sizes of
their arguments, and torch's decompositions never leave one.

A kernel has no cost here: shapes, placement and cycles belong to the kernel graph, which does not exist yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wire.errors import nearest

_FAMILIES = {
    "matmul": "addmm mm bmm baddbmm dot mv addmv linear",
    "elementwise": """
        add.Tensor add.Scalar sub.Tensor sub.Scalar rsub.Tensor rsub.Scalar mul.Tensor mul.Scalar div.Tensor div.Scalar
        div.Tensor_mode div.Scalar_mode remainder.Tensor remainder.Scalar fmod.Tensor fmod.Scalar neg abs sign
        addcmul addcdiv lerp.Scalar lerp.Tensor square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p
        pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh
        erf erfc
        floor ceil round trunc frac maximum minimum clamp clamp.Tensor clamp_min clamp_max nan_to_num
        where.self where.ScalarSelf where.ScalarOther where.Scalar masked_fill.Scalar masked_fill.Tensor""",
    "comparison": """
        eq.Tensor eq.Scalar ne.Tensor ne.Scalar lt.Tensor lt.Scalar le.Tensor le.Scalar gt.Tensor gt.Scalar
        ge.Tensor ge.Scalar isnan isinf isfinite logical_and logical_or logical_xor logical_not
        bitwise_and.Tensor bitwise_and.Scalar bitwise_or.Tensor bitwise_or.Scalar bitwise_xor.Tensor
        bitwise_xor.Scalar bitwise_not""",
    "activation": """
        relu threshold_backward tanh tanh_backward sigmoid sigmoid_backward elu elu_backward gelu gelu_backward
        silu silu_backward leaky_relu leaky_relu_backward hardtanh hardtanh_backward hardsigmoid hardsigmoid_backward
        hardswish hardswish_backward softplus softplus_backward mish mish_backward log_sigmoid_forward
        log_sigmoid_backward""",
    "reduction": """
        sum sum.dim_IntList mean mean.dim prod prod.dim_int amax amin max min max.dim min.dim argmax argmin any any.dim
        any.dims all all.dim cumsum var.correction var.dim var_mean.correction std.correction logsumexp
        linalg_vector_norm norm.ScalarOpt_dim""",
    "norm": """
        native_layer_norm native_group_norm _native_batch_norm_legit.no_stats _native_batch_norm_legit_functional
        _native_batch_norm_legit_no_training""",
    "attention": "_softmax _softmax_backward_data _log_softmax _log_softmax_backward_data",
    "embedding": "embedding embedding_dense_backward",
    "convolution": "convolution convolution_backward",
    "pooling": """
        max_pool2d_with_indices max_pool2d_with_indices_backward avg_pool1d avg_pool2d avg_pool2d_backward
        _adaptive_avg_pool2d _adaptive_avg_pool2d_backward upsample_nearest2d.vec upsample_bilinear2d.vec""",
    "indexing": """
        gather scatter.value scatter.src scatter_add index.Tensor index_put index_select select_scatter slice_scatter
        select_backward slice_backward topk sort flip roll tril triu""",
    "cast": "_to_copy clone copy",
    "view": """
        view _unsafe_view reshape expand permute t transpose.int squeeze squeeze.dim squeeze.dims unsqueeze select.int
        slice.Tensor split.Tensor split_with_sizes unbind.int cat stack repeat constant_pad_nd unfold diagonal alias
        detach""",
    "constant": """
        full full_like zeros zeros_like ones ones_like scalar_tensor arange arange.start arange.start_step eye
        new_zeros new_ones new_full fill.Scalar""",
    "loss": """
        nll_loss_forward nll_loss_backward mse_loss mse_loss_backward
        smooth_l1_loss smooth_l1_loss_backward huber_loss huber_loss_backward binary_cross_entropy
        binary_cross_entropy_backward binary_cross_entropy_with_logits""",
    "random": "native_dropout native_dropout_backward bernoulli bernoulli.p rand randn rand_like randn_like",
    "assertion": "_assert_tensor_metadata",
}

_DRAWS = frozenset(
    f"aten.{name}"
    for name in (
        "native_dropout.default",
        "bernoulli.default",
        "bernoulli.p",
        "rand.default",
        "randn.default",
        "rand_like.default",
        "randn_like.default",
    )
)

_ATTENTION = "capture attention as plain arithmetic, under torch.nn.attention.sdpa_kernel(SDPBackend.MATH)"

_WAYS = {
    "aten.nonzero": "its result's shape depends on the data; torch.where(mask, a, b) keeps the shape",
    "aten.masked_select": "its result's shape depends on the data; torch.where(mask, a, b) keeps the shape",
    "aten.unique": "its result's shape depends on the data",
    "aten.bincount": "its result's shape depends on the data; a sum of one-hot rows has a fixed one",
    "aten.item": "a number cannot leave the graph; keep it a tensor",
    "aten._local_scalar_dense": "a number cannot leave the graph; keep it a tensor",
    "aten.empty": "it reads memory that nothing has written; torch.zeros is the same with defined values",
    "aten.empty_like": "it reads memory that nothing has written; torch.zeros_like is the same with defined values",
    "aten.as_strided": "it reads memory past its tensor; use view, permute, select or slice",
    "aten._scaled_dot_product_flash_attention_for_cpu": _ATTENTION,
    "aten._scaled_dot_product_flash_attention_for_cpu_backward": _ATTENTION,
    "aten.native_layer_norm_backward": "decompose it with torch's core decompositions",
    "aten.native_group_norm_backward": "decompose it with torch's core decompositions",
    "aten.native_batch_norm_backward": "decompose it with torch's core decompositions",
    "aten.max_pool3d_with_indices": "pooling is two-dimensional here; fold one dimension into the batch",
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operation of the library. draws: it draws random numbers."""

    op: str
    family: str
    draws: bool = False


def _library() -> dict[str, Kernel]:
    names = ((family, name) for family, text in _FAMILIES.items() for name in text.split())
    ops = ((family, f"aten.{name if '.' in name else name + '.default'}") for family, name in names)
    return {op: Kernel(op, family, op in _DRAWS) for family, op in ops}


KERNELS: Mapping[str, Kernel] = MappingProxyType(_library())
"""Every operation the wafer has a kernel for, by its name "aten.<name>.<overload>"."""


def nearest_way(op: str) -> str:
    """What a user can do about an operation without a kernel: one clause, never empty."""
    namespace, _, rest = op.partition(".")
    base = f"{namespace}.{rest.partition('.')[0]}"
    if namespace != "aten":
        return "only ATen operations have kernels; write it with torch's own functions"
    if base in _WAYS:
        return _WAYS[base]
    if base.endswith("_"):
        return f"it changes its argument; use the form without the underscore, {base[:-1]}"
    overloads = sorted(known for known in KERNELS if known.rpartition(".")[0] == base)
    return f"known overloads: {', '.join(overloads)}" if overloads else nearest(op, tuple(KERNELS))
