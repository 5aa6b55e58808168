"""The kernel library as a list."""

from __future__ import annotations

import pytest
import torch

from wafer_sim.kernels.aten import KERNELS, nearest_way


@pytest.mark.parametrize("op", sorted(KERNELS))
def test_every_kernel_is_a_pure_operation_of_torch(op: str) -> None:
    """Each name exists in torch, changes no argument, and has a shape that data does not decide."""
    _, name, overload = op.split(".")
    found = getattr(getattr(torch.ops.aten, name), overload)
    assert not found._schema.is_mutable
    dynamic = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(found.tags)
    assert not dynamic or op == "aten.index.Tensor", "for a mask; the executor takes none"


@pytest.mark.parametrize("op", sorted(KERNELS))
def test_what_draws_says_so(op: str) -> None:
    """An operation that torch tags as seeded from its global generator is known here to draw."""
    _, name, overload = op.split(".")
    found = getattr(getattr(torch.ops.aten, name), overload)
    assert KERNELS[op].draws == (torch.Tag.nondeterministic_seeded in found.tags)


@pytest.mark.parametrize(
    ("op", "way"),
    [
        ("aten.nonzero.default", "shape depends on the data"),
        ("aten.add_.Tensor", "without the underscore"),
        ("aten.empty_like.default", "zeros_like"),
        ("aten.clamp.Tensor_minmax", "aten.clamp.default"),
        ("aten.native_layer_nrm.default", "aten.native_layer_norm.default"),
        ("mylib.custom.default", "only ATen"),
    ],
)
def test_an_unknown_operation_comes_with_a_way_out(op: str, way: str) -> None:
    """The hint names what to use instead."""
    assert op not in KERNELS
    assert way in nearest_way(op)
