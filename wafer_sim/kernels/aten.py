"""The kernel library: the ATen operations that the wafer has a kernel for.

It is one side of the registry, and the list of what is allowed; whatever is not in it is refused by name. So it is
the security boundary and the kernel match at once. It covers forward and backward, after torch's core
decompositions, of dense, convolutional, recurrent (unrolled) and attention networks and their losses. Nothing in it
reaches files, network or Python, gives a shape that depends on data, changes its arguments, or reads memory that
nothing has written. The fused backward passes of norms and attention are left out on purpose: they trust the sizes of
their arguments, and torch's decompositions never leave one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wafer_sim.kernels.registry import REGISTRY
from wire.errors import nearest

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


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {op: Kernel(op, kernel.family, op in _DRAWS) for kernel in REGISTRY.values() for op in kernel.aten}
)
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
