"""Mixed precision and arrival."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clients.pytorch.precision import arrived, mixed_precision


def test_products_are_narrow_and_reductions_wide():
    """Matrix products give bfloat16; soft-max and loss compute in float32."""
    x, w = torch.randn(4, 8), torch.randn(3, 8)
    with mixed_precision(True):
        logits = functional.linear(x, w)
        logs = functional.log_softmax(logits, dim=1)
        loss = functional.nll_loss(logs, torch.tensor([0, 1, 2, 0]))
    assert (logits.dtype, logs.dtype, loss.dtype) == (torch.bfloat16, torch.float32, torch.float32)


def test_without_it_nothing_changes():
    """Switched off, a product stays in float32."""
    with mixed_precision(False):
        assert functional.linear(torch.randn(4, 8), torch.randn(3, 8)).dtype == torch.float32


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
