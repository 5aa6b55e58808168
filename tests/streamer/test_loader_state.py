"""The state of a loader as bytes: what comes back is what went in, and nothing else gets through."""

import collections
import contextlib
import random
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamer.loader_state import LARGEST, StateError, state_from_bytes, state_to_bytes

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False), st.text(), st.binary()
)
_KEYS = st.one_of(st.integers(), st.text(), st.tuples(st.integers(), st.text()), st.none())
_STATES = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner), st.tuples(inner, inner), st.dictionaries(_KEYS, inner))
)


@given(_STATES)
def test_what_went_in_comes_back(state):
    """Values and types, at any depth, also dicts whose keys are no strings or look like a tag."""
    back = state_from_bytes(state_to_bytes({"state": state, "dict": [state]}))
    assert back == {"state": state, "dict": [state]}
    assert repr(back["state"]) == repr(state)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3).T,
        np.array(3, np.uint8),
        np.empty((0, 4), np.float16),
        np.array(["a", "bcd"]),
        np.array([True]),
        np.array([1 + 2j]),
    ],
)
def test_arrays(array):
    """dtype, shape and values; what comes back can be written to."""
    back = state_from_bytes(state_to_bytes(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape) and np.array_equal(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize(
    "tensor",
    [torch.arange(6).reshape(2, 3).T, torch.tensor(1.5, dtype=torch.bfloat16), torch.empty(0, 2), torch.tensor([True])],
)
def test_tensors(tensor):
    """dtype, shape and values, also of dtypes that numpy has not."""
    back = state_from_bytes(state_to_bytes(tensor))
    assert back.dtype == tensor.dtype and back.shape == tensor.shape and torch.equal(back, tensor)


def test_numbers_of_numpy_and_odd_floats():
    """A numpy number stays one; infinities and NaN survive."""
    back = state_from_bytes(state_to_bytes([np.float32(0.1), np.int64(-3), np.bool_(True), float("inf"), float("nan")]))
    assert back[:4] == [np.float32(0.1), -3, True, float("inf")] and np.isnan(back[4])
    assert [type(item) for item in back[:3]] == [np.float32, np.int64, np.bool_]


def test_states_of_the_global_generators():
    """Python's, numpy's and torch's own states travel, and the generators take them back."""
    states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    back = state_from_bytes(state_to_bytes(states))
    random.setstate(back[0])
    np.random.set_state(back[1])
    torch.set_rng_state(back[2])
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (object(), "builtins.object"),
        ({"a": [threading.Lock()]}, "lock"),
        ({1, 2}, "builtins.set"),
        (collections.OrderedDict(), "OrderedDict"),
        (np.array([object()]), "array of object"),
        (torch.zeros(2).to_sparse(), "sparse"),
        (b"x" * LARGEST, "the limit is"),
    ],
)
def test_what_cannot_travel_is_named(state, why):
    """A type that is not on the list, and a state that is too large."""
    with pytest.raises(StateError, match=why):
        state_to_bytes(state)


def test_a_state_without_end_is_refused():
    """A list that holds itself."""
    endless = []
    endless.append(endless)
    with pytest.raises(StateError, match="too deeply"):
        state_to_bytes(endless)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b'{"eval":"1"}',
        b'{"array":["|O8",[1],"AAAAAAAAAAA="]}',
        b'{"array":["<i8",[2],"AAAAAAAAAAA="]}',
        b'{"tensor":["load",[1],"AA=="]}',
        b'{"dict":[[[],1]]}',
        b'{"dict":7}',
        b'{"bytes":"***"}',
        b'{"a":1,"b":2}',
        b"{}",
        b"[" * 100_000,
        b" " * (LARGEST + 1),
    ],
)
def test_bytes_that_are_no_state(data):
    """Whatever comes over the wire is a state or a StateError, nothing else."""
    with pytest.raises(StateError):
        state_from_bytes(data)


@given(st.binary())
def test_any_bytes_at_all(data):
    """No input raises anything but StateError."""
    with contextlib.suppress(StateError):
        state_from_bytes(data)
