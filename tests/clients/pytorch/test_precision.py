"""Mixed precision and arrival."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clients.pytorch.precision import Precision, arrived, mixed_precision
from wire.errors import InvalidInput


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16])
def test_products_are_narrow_and_reductions_wide(narrow):
    """Matrix products give the narrow dtype; soft-max and loss compute in float32."""
    x, w = torch.randn(4, 8), torch.randn(3, 8)
    with mixed_precision(narrow):
        logits = functional.linear(x, w)
        logs = functional.log_softmax(logits, dim=1)
        loss = functional.nll_loss(logs, torch.tensor([0, 1, 2, 0]))
    assert (logits.dtype, logs.dtype, loss.dtype) == (narrow, torch.float32, torch.float32)


def test_without_it_nothing_changes():
    """Switched off, a product stays in float32."""
    with mixed_precision(None):
        assert functional.linear(torch.randn(4, 8), torch.randn(3, 8)).dtype == torch.float32


@pytest.mark.parametrize(
    ("section", "wafer", "cpu", "gpu"),
    [
        ({}, torch.float16, None, torch.float16),
        ({"mixed_precision": False}, None, None, None),
        ({"use_bfloat16": True}, torch.bfloat16, torch.bfloat16, torch.bfloat16),
        ({"emulate_float16": True}, torch.float16, torch.float16, torch.float16),
    ],
)
def test_where_a_model_computes_in_what(section, wafer, cpu, gpu):
    """float16 is float32 on a CPU unless it is emulated; a GPU has units for it."""
    precision = Precision.of(section)
    assert (precision.narrow, precision.off_the_wafer("cpu"), precision.off_the_wafer("cuda")) == (wafer, cpu, gpu)


@pytest.mark.parametrize("section", [{"use_bfloat16": True}, {"mixed_precision": False}])
def test_an_emulation_of_nothing_is_refused(section):
    """Asked for where no value is float16, it is a mistake in the params."""
    with pytest.raises(InvalidInput, match="nothing is float16"):
        Precision.of({**section, "emulate_float16": True})


@pytest.mark.parametrize(
    ("given", "lands"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float64, torch.float32),
        (torch.int32, torch.int64),
        (torch.uint8, torch.int64),
        (torch.bool, torch.bool),
    ],
)
def test_data_is_cast_on_arrival(given, lands):
    """Floats arrive as float32, whole numbers as int64, bool as it is."""
    assert arrived(torch.ones(2, dtype=given)).dtype == lands
