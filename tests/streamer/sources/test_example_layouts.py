"""Layouts: where the values of records lie, and which records are not laid out as they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.recipe import Column
from streamer.sources.example_layouts import learn, varints
from streamer.sources.examples import infer, parse
from tests.streamer.sources.record_writing import example
from wire.v1 import example_pb2

INT64 = st.integers(-(2**63), 2**63 - 1)


def _encoded(values):
    return example_pb2.Int64List(value=values).SerializeToString()[2:] if values else b""


def _matrix(*records):
    return np.frombuffer(b"".join(records), np.uint8).reshape(len(records), -1)


def _features(record):
    return infer([parse(record)], {"y": Column(), "x": Column(), "raw": Column(dtype="uint8")})


@given(st.lists(INT64, min_size=1, max_size=12))
def test_integers_are_those_of_protobuf(values):
    """Any 64-bit integers, negative ones too, come out of their encoding as protobuf put them in."""
    encoded = _matrix(_encoded(values), _encoded(values))
    assert varints(encoded, len(values)).tolist() == [values, values]


@pytest.mark.parametrize(
    ("encoded", "count"),
    [(b"\x01\x02\x83", 3), (b"\x01\x02\x03", 2), (b"\x81\x02\x03", 3), (b"\xff" * 9 + b"\x02", 1), (b"\xff" * 10, 1)],
)
def test_integers_that_are_not_as_many(encoded, count):
    """Too many, too few, cut off or too long: such bytes are left to protobuf."""
    assert varints(_matrix(encoded), count) is None


def test_two_records_of_one_layout():
    """Records that differ in their values only fit one layout; those whose features come in another order do not."""
    first, other = example(x=[0.5], y=[7], raw=[b"abc"]), example(x=[-2.0], y=[9], raw=[b"xyz"])
    layout = learn(first, _features(first))
    assert layout.fits(_matrix(first, other)).tolist() == [True, True]
    names = {name: first.index(name) for name in (b"raw", b"\x01x", b"\x01y")}
    for at in names.values():
        changed = bytearray(other)
        changed[at] ^= 1
        assert layout.fits(_matrix(bytes(changed))).tolist() == [False]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        example(x=[0.5], y=[7]),
        example(x=[0.5], y=[7], raw=[b"ab"]),
        example(x=[0.5], y=[7], raw=[b"ab", b"c"]),
        example(x=[0.5, 1.5], y=[7], raw=[b"abc"]),
        example(x=[1], y=[7], raw=[b"abc"]),
        example(x=[0.5], y=[7], raw=[b"abc"]) + example(x=[0.5]),
        example(x=[0.5], y=[7], raw=[b"abc"]) + b"\x10\x01",
        example(x=[0.5], y=[7], raw=[b"abc"])[:-1],
        b"\x80",
    ],
)
def test_unusual_records_have_no_layout(record):
    """A record that lacks a feature, has other values, says something twice or is cut off is left to protobuf."""
    usual = example(x=[0.5], y=[7], raw=[b"abc"])
    assert learn(usual, _features(usual)) is not None
    assert learn(record, _features(usual)) is None
