"""The structure of batches: names by path, and leaves as arrays."""

from collections import namedtuple

import numpy as np
import pytest
import torch

from streamer.structure import flatten, names
from wire.errors import InvalidInput

Pair = namedtuple("Pair", "image label")


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (np.zeros(2), ("0",)),
        ((np.zeros(2), np.zeros(2)), ("0", "1")),
        ([np.zeros(2), (np.zeros(2), np.zeros(2))], ("0", "1.0", "1.1")),
        ({"x": {"ids": np.zeros(2)}, "y": [np.zeros(2)]}, ("x.ids", "y.0")),
        (Pair(np.zeros(2), np.zeros(2)), ("image", "label")),
        ({"name": ["a", "b"]}, ("name",)),
    ],
)
def test_names_are_paths(batch, expected):
    """Fields are named by where they are in the structure, in order."""
    assert names(batch) == expected
    assert tuple(flatten(batch)) == expected


def test_tensors_share_their_memory():
    """A tensor becomes an array without a copy, also one that wants gradients."""
    tensor = torch.zeros(3, requires_grad=True)
    assert np.shares_memory(flatten(tensor)["0"], tensor.detach().numpy())


def test_strings_and_numbers():
    """Strings become object arrays and Python numbers arrays without dimensions."""
    batch = flatten({"s": ["a", "b"], "n": 3, "u": np.array(["x"])})
    assert batch["s"].dtype == object and batch["u"].dtype == object and batch["n"].shape == ()


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (torch.zeros(1, dtype=torch.bfloat16), "'x' has dtype bfloat16.*"),
        (torch.zeros(1, dtype=torch.complex64), "complex64"),
        (None, "object"),
        (np.array(["2020"], dtype="datetime64[Y]"), "datetime64"),
    ],
)
def test_what_cannot_travel(leaf, message):
    """A dtype that cannot travel is refused with its field."""
    with pytest.raises(InvalidInput, match=message):
        flatten({"x": leaf})
