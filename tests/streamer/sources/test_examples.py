"""tf.train.Example: what its features become, and records that are not like the others."""

import numpy as np
import pytest

from streamer.recipe import Column
from streamer.sources.examples import infer, parse, spec_of, values_of
from tests.streamer.sources.record_writing import example
from wire.errors import InvalidInput
from wire.v1 import example_pb2


def _infer(*records, **columns):
    return infer([parse(record) for record in records], columns)


def test_what_features_become():
    """One value is a scalar, as many in each is a vector, other numbers a list; bytes are text, or what is said."""
    records = [
        example(y=[1], x=[0.5, 1.5], ids=[1, 2], t=[b"one"], raw=[b"\xff\0\1\2"], words=[b"a", b"b"]),
        example(y=[2], x=[2.5, 3.5], ids=[], t=[b""], raw=[b"\xff\0\1\3"], words=[b"c"]),
    ]
    said = {"raw": Column(dtype="uint16"), **{name: Column() for name in ("y", "x", "ids", "t", "words")}}
    features = _infer(*records, **said)
    assert str(spec_of(features)) == (
        "raw: uint16(2); y: int64(); x: float32(2); ids: int64(var); t: string(); words: string(var)"
    )
    found = [values_of(feature, parse(records[0])).tolist() for feature in features]
    assert found == [[255, 513], 1, [0.5, 1.5], [1, 2], "one", ["a", "b"]]
    assert values_of(features[3], parse(records[1])).tolist() == []


def test_names_are_sorted_where_none_are_chosen():
    """Without columns all features are taken, by name: the order in a record is chance."""
    assert spec_of(_infer(example(b=[1], a=[1], c=[1.0]))).names == ("a", "b", "c")


def test_bytes_of_any_length():
    """Bytes with a dtype whose length differs are a list, and a record without them has none."""
    records = [example(image=[b"\xff\xd8"]), example(image=[b"\xff\xd8\1"]), example()]
    (feature,) = _infer(*records, image=Column(dtype="uint8"))
    assert str(feature.field) == "image: uint8(var)"
    assert [values_of(feature, parse(record)).tolist() for record in records] == [[255, 216], [255, 216, 1], []]


def test_a_list_that_is_always_empty():
    """A feature that is empty in every record but has a kind is a list of that kind."""
    empty = example_pb2.Example()
    empty.features.feature["ids"].int64_list.SetInParent()
    (feature,) = infer([empty], {})
    assert str(feature.field) == "ids: int64(var)" and values_of(feature, empty).tolist() == []


def test_a_shape_is_what_the_recipe_says():
    """A shape makes a feature fixed, whatever the samples hold."""
    (feature,) = _infer(example(x=[1.0, 2.0, 3.0, 4.0]), example(x=[1.0]), x=Column(shape=(2, 2)))
    assert values_of(feature, parse(example(x=[1.0, 2.0, 3.0, 4.0]))).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InvalidInput, match=r"'x' is float \(1 value\) here, and should be float \(4 values\)"):
        values_of(feature, parse(example(x=[1.0])))


@pytest.mark.parametrize(
    ("records", "columns", "message"),
    [
        ([example(image=[b"\xff"])], {}, "'image' holds bytes that are no text.*dtype and shape"),
        ([example(a=[1])], {"b": Column()}, "no feature 'b'.*known here: a"),
        ([example(a=[])], {"a": Column()}, "'a' is empty and of no kind"),
        ([b""], {}, "have no features"),
    ],
)
def test_features_that_say_nothing(records, columns, message):
    """Bytes that are no text, a name that is not there and no values at all are told, with what to do."""
    with pytest.raises(InvalidInput, match=message) as caught:
        _infer(*records, **columns)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (example(y=[1.0], raw=[b"ab"], t=[b"t"]), "'y' is float .* should be int64"),
        (example(y=[1, 2], raw=[b"ab"], t=[b"t"]), "'y' is int64 .2 values. here"),
        (example(raw=[b"ab"], t=[b"t"]), "'y' is int64 .0 values. here"),
        (example(y=[1], raw=[b"abc"], t=[b"t"]), "'raw' has 3 bytes; uint8 of shape .2. needs 2"),
        (example(y=[1], raw=[b"a", b"b"], t=[b"t"]), "'raw' has 2 values"),
        (example(y=[1], raw=[1], t=[b"t"]), "'raw' is int64 .1 value. here, and should be bytes"),
        (example(y=[1], raw=[b"ab"], t=[b"\xff"]), "'t' is no UTF-8"),
        (example(y=[1], raw=[b"ab"], t=[b"a", b"b"]), "'t' is bytes .2 values. here"),
        (b"\xff\xff", "no tf.train.Example"),
    ],
)
def test_records_that_differ(record, message):
    """A record of another kind, number or length of values is refused, naming the feature."""
    first = example(y=[1], raw=[b"ab"], t=[b"t"])
    features = _infer(first, raw=Column(dtype="uint8"), y=Column(), t=Column())
    with pytest.raises(InvalidInput, match=message) as caught:
        [values_of(feature, parse(record)) for feature in features]
    assert caught.value.fix


def test_items_that_are_cut():
    """Bytes of any length that do not make whole numbers are refused."""
    (feature,) = _infer(example(x=[b"\0" * 4]), example(x=[b"\0" * 8]), x=Column(dtype="float32"))
    with pytest.raises(InvalidInput, match=r"5 bytes; float32 .* a multiple of 4"):
        values_of(feature, parse(example(x=[b"\0" * 5])))
    assert np.array_equal(values_of(feature, parse(example(x=[np.float32(2.5).tobytes()]))), [np.float32(2.5)])
