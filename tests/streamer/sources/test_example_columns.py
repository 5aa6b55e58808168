"""Columns of many records: the same whether they are cut at known places or parsed one by one."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.recipe import Column
from streamer.sources import example_columns
from streamer.sources.example_columns import ExampleDecoder
from streamer.sources.examples import infer, parse
from tests.streamer.sources.record_writing import example
from wire.elements import Ragged
from wire.errors import InvalidInput

FIXED = {"y": Column(), "x": Column(), "raw": Column(dtype="uint8", shape=(2, 2)), "ids": Column()}
SAMPLES = st.fixed_dictionaries(
    {
        "y": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=1),
        "x": st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3),
        "raw": st.binary(min_size=4, max_size=4).map(lambda value: [value]),
        "ids": st.lists(st.integers(0, 300), min_size=2, max_size=2),
        "other": st.one_of(st.just([]), st.lists(st.integers(0, 2**40), max_size=2), st.just([b"name"])),
    }
)


def _where(place):
    return f"record {place}"


def _shuffled(sample):
    """An Example whose features come in some order."""
    names = list(sample)
    random.Random(repr(sample)).shuffle(names)
    return b"".join(example(**{name: sample[name]}) for name in names)


@given(st.lists(SAMPLES, min_size=1, max_size=30), st.booleans())
def test_any_records_are_read_back(samples, merged):
    """Whatever fixed values are written come back, alike or not, also from records that say a message in parts."""
    records = [_shuffled(sample) if merged else example(**sample) for sample in samples]
    decoder = ExampleDecoder(infer([parse(record) for record in records], FIXED))
    for _ in range(2):  # the second time all layouts are known
        columns = decoder.decode(records, _where)
        assert columns["y"].tolist() == [sample["y"][0] for sample in samples]
        assert columns["x"].tolist() == [sample["x"] for sample in samples]
        assert columns["raw"].tobytes() == b"".join(sample["raw"][0] for sample in samples)
        assert columns["ids"].tolist() == [sample["ids"] for sample in samples]
        assert columns["raw"].shape == (len(samples), 2, 2) and columns["ids"].dtype == np.int64


def test_records_alike_are_not_parsed(monkeypatch):
    """Records of one layout are decoded without parsing any of them."""
    records = [example(y=[n], x=[n / 2]) for n in range(100)]
    decoder = ExampleDecoder(infer([parse(records[0])], {}))
    monkeypatch.setattr(example_columns, "parse", None)
    columns = decoder.decode(records, _where)
    assert columns["y"].tolist() == list(range(100)) and columns["x"].tolist() == [n / 2 for n in range(100)]


@pytest.mark.parametrize("fixed", [True, False], ids=["numbers", "with a list"])
def test_the_first_bad_record_is_named(fixed):
    """The record that differs is named by its place, in a batch of good ones too."""
    more = {} if fixed else {"t": [b"text"]}
    records = [example(y=[n % 10], **more) for n in range(20)]
    decoder = ExampleDecoder(infer([parse(records[0])], {}))
    records[7], records[13] = example(y=[1.5], **more), b"\xff"
    with pytest.raises(InvalidInput, match="'y' is float") as caught:
        decoder.decode(records, _where)
    assert caught.value.where == "record 7"


def test_a_number_too_many_in_as_many_bytes():
    """Two integers that take the bytes of one make a bad record, not a wrong number."""
    records = [example(y=[300]) for _ in range(8)]
    decoder = ExampleDecoder(infer([parse(records[0])], {}))
    assert decoder.decode(records, _where)["y"].tolist() == [300] * 8
    records[5] = example(y=[1, 2])
    assert len(records[5]) == len(records[0])
    with pytest.raises(InvalidInput, match="2 values"):
        decoder.decode(records, _where)


def test_a_feature_that_is_said_twice():
    """Where a record names a feature twice the last one counts, as protobuf has it, though its bytes look alike."""
    once = example(y=[3], other=[4])
    body = example(y=[5])[2:]
    twice = bytes([once[0], once[1] + len(body)]) + once[2:] + body
    decoder = ExampleDecoder(infer([parse(once)], {"y": Column()}))
    assert decoder.decode([twice] * 5, _where)["y"].tolist() == [5] * 5


def test_more_layouts_than_are_kept(monkeypatch):
    """Records of many lengths and orders are all read, though few layouts are kept."""
    monkeypatch.setattr(example_columns, "_LAYOUTS_OF_A_LENGTH", 2)
    monkeypatch.setattr(example_columns, "_LENGTHS", 2)
    records = [example(y=[n], **{"n" * (1 + n % 5): [n]}) for n in range(60)]
    records += [example(y=[n], **{f"{n % 6}": [n]}) for n in range(60)]
    decoder = ExampleDecoder(infer([parse(records[0])], {"y": Column()}))
    assert decoder.decode(records, _where)["y"].tolist() == [*range(60), *range(60)]
    assert len(decoder._layouts) == 2 and max(map(len, decoder._layouts.values())) <= 2


def test_lists_and_texts():
    """Values of any number are ragged columns, texts are objects; no records give empty columns of the spec."""
    records = [example(ids=[1, 2], t=[b"a"]), example(t=[b"bc"]), example(ids=[3], t=[b""])]
    decoder = ExampleDecoder(infer([parse(record) for record in records], {}))
    columns = decoder.decode(records, _where)
    assert isinstance(columns["ids"], Ragged) and columns["ids"].values.tolist() == [1, 2, 3]
    assert columns["ids"].offsets.tolist() == [0, 2, 2, 3] and columns["t"].tolist() == ["a", "bc", ""]
    empty = decoder.decode([], _where)
    assert len(empty["ids"]) == len(empty["t"]) == 0 and empty["ids"].values.dtype == np.int64
