"""What the codec refuses: batches that break their spec, and bytes that are no frames."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.codec import Frame, pack, unpack
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field, Landing, Ragged
from wire.payload import decode, encode
from wire.schema import CodecError, schema_of, spec_from_bytes, spec_to_bytes
from wire.v1 import ingest_pb2

SPEC = ElementSpec(
    (
        Field("image", "float16", (2, 3), landing=Landing("float32", 0.5)),
        Field("seen", "bool", (5,)),
        Field("name", "string"),
        Field("tokens", "int64", ragged=True),
        Field("boxes", "float32", (2,), ragged=True),
    )
)
BATCH = {
    "image": np.ones((3, 2, 3), np.float16),
    "seen": np.ones((3, 5), bool),
    "name": np.array(["a", "bc", ""], object),
    "tokens": Ragged(np.arange(6), np.array([0, 2, 2, 6], np.int64)),
    "boxes": Ragged(np.ones((3, 2), np.float32), np.array([0, 0, 1, 3], np.int64)),
}
FRAMES = [Frame(Cursor(1), Cursor(1, 0, 1), BATCH), Frame(Cursor(1, 0, 1), Cursor(1, 0, 1), {}, end=True)]
MESSAGE = pack(FRAMES, SPEC).data
SPEC_BYTES = spec_to_bytes(SPEC)


def ragged(values, offsets, dtype=np.int64):
    """A ragged column with these offsets."""
    return Ragged(np.array(values), np.array(offsets, dtype))


@pytest.mark.parametrize(
    ("name", "column", "says"),
    [
        ("image", np.ones((3, 2, 3), np.float32), r"'image' is float32\(2, 3\).*float16\(2, 3\)"),
        ("image", np.ones((3, 3, 2), np.float16), r"'image' is float16\(3, 2\).*float16\(2, 3\)"),
        ("image", np.ones(3, np.float16), r"'image' is float16\(\)"),
        ("image", np.float16(1), "'image' is a single float16"),
        ("image", np.ones((2, 2, 3), np.float16), "'seen' has 3 rows, field 'image' has 2"),
        ("image", ragged([1, 2, 3], [0, 1, 2, 3]), "'image' is ragged"),
        ("name", np.array(["a", None, "b"], object), "'name' has 1 values that are no strings"),
        ("name", np.array(["a", 7, "b"], object), "'name' has a value that is no string"),
        ("name", np.array(["a", "\ud800", "b"], object), "'name' has a value that is no string"),
        ("name", np.array(["a", "b", "c"]), "'name' is str"),
        ("tokens", np.arange(3), "'tokens' is not ragged"),
        ("tokens", ragged(range(6), [0, 2, 6]), "'tokens' has 2 rows"),
        ("tokens", ragged(range(6), [0, 4, 2, 6]), "'tokens': its offsets"),
        ("tokens", ragged(range(6), [1, 2, 2, 6]), "'tokens': its offsets"),
        ("tokens", ragged(range(6), [0, 2, 2, 7]), "'tokens': its offsets"),
        ("tokens", ragged(range(6), [0, 2, 2, 6], np.int32), "'tokens': its offsets"),
        ("tokens", ragged([], []), "'tokens'"),
        ("boxes", ragged([1.0], [0, 0, 0, 1]), "'boxes' is float64"),
    ],
)
def test_a_batch_that_breaks_its_spec_is_refused_by_field(name, column, says):
    """The error names the field, what it is and what it should be."""
    with pytest.raises(CodecError, match=says):
        encode({**BATCH, name: column}, SPEC)


def test_a_missing_field_is_named_beside_those_there_are():
    """The error says what is missing and what the batch has."""
    with pytest.raises(CodecError, match="'image' is missing; the batch has seen, name, tokens, boxes"):
        encode({name: column for name, column in BATCH.items() if name != "image"}, SPEC)
    with pytest.raises(CodecError, match="no fields"):
        encode({}, SPEC)


@pytest.mark.parametrize("cut", [0, 3, 4, 5, 30, len(MESSAGE) // 2, len(MESSAGE) - 1])
def test_a_truncated_message_is_refused(cut):
    """Wherever a message breaks off, it is no message."""
    with pytest.raises(CodecError):
        unpack(MESSAGE[:cut], SPEC)


def test_bytes_after_the_last_frame_are_refused():
    """A message is its frames and nothing else."""
    with pytest.raises(CodecError, match="frames that take"):
        unpack(MESSAGE + b"\0", SPEC)


def test_a_batch_of_another_element_is_refused():
    """A payload of other columns is no batch of this element; the error says which element."""
    other = ElementSpec((Field("x", "uint8"),))
    payload = bytes(encode({"x": np.zeros(3, np.uint8)}, other))
    with pytest.raises(CodecError, match="image: float16"):
        decode(payload, SPEC)


def header(**parts):
    """A message that is one frame header."""
    data = ingest_pb2.FramesHeader(frames=[ingest_pb2.FrameHeader(**parts)]).SerializeToString()
    message = len(data).to_bytes(4, "little") + data
    return message + bytes(-len(message) % 64)


POINT = ingest_pb2.Cursor(stream=1)


@pytest.mark.parametrize(
    "message",
    [
        header(end=True),
        header(end=True, cursor=POINT),
        header(end=True, cursor=POINT, following=POINT, payload_bytes=8) + bytes(8),
        header(cursor=POINT, following=POINT),
        header(cursor=POINT, following=POINT, payload_bytes=2**64 - 1),
        b"\xff\xff\xff\xff" + bytes(100),
    ],
)
def test_a_header_that_says_nothing_sound_is_refused(message):
    """No cursor, an end with a payload, a batch without one, and lengths beyond the message."""
    with pytest.raises(CodecError):
        unpack(message, SPEC)


@pytest.mark.parametrize(
    ("field", "column"),
    [
        (Field("x", "int32"), pa.array([1, None], pa.int32())),
        (Field("x", "string"), pa.array(["a", None])),
        (Field("x", "int32", (2,)), pa.array([[1, None]], pa.list_(pa.int32(), 2))),
        (Field("x", "int32", (2,)), pa.array([[1, 2], None], pa.list_(pa.int32(), 2))),
        (Field("x", "int32", ragged=True), pa.array([[1], None], pa.large_list(pa.int32()))),
        (Field("x", "int32", ragged=True), pa.array([[1, None]], pa.large_list(pa.int32()))),
    ],
)
def test_nulls_are_refused(field, column):
    """Another language may send nulls; a tensor has none."""
    with pytest.raises(CodecError, match="'x' has nulls"):
        decode(pa.record_batch([column], ["x"]).serialize(), ElementSpec((field,)))


def test_offsets_that_leave_the_values_are_refused():
    """A list that reaches beyond its values is never read."""
    offsets = pa.py_buffer(np.array([0, 10**9, 2], np.int64))
    values = pa.array([1, 2], pa.int32())
    lists = pa.Array.from_buffers(pa.large_list(pa.int32()), 2, [None, offsets], children=[values])
    with pytest.raises(CodecError, match="no Arrow record batch"):
        decode(pa.record_batch([lists], ["x"]).serialize(), ElementSpec((Field("x", "int32", ragged=True),)))


@given(st.binary())
def test_garbage_is_no_message(data):
    """Property: bytes from nowhere are refused as CodecError, or are a message without frames."""
    try:
        assert unpack(data, SPEC).frames == []
    except CodecError as error:
        assert str(error)


@given(st.binary())
def test_garbage_is_no_payload_and_no_spec(data):
    """Property: bytes from nowhere are refused as CodecError."""
    with pytest.raises(CodecError):
        decode(data, SPEC)
    with pytest.raises(CodecError):
        spec_from_bytes(data)


def overwritten(source):
    """Strategy: the source with up to four stretches of it overwritten."""
    stretch = st.tuples(st.integers(0, len(source) - 1), st.binary(min_size=1, max_size=8))

    def write(stretches):
        data = bytearray(source)
        for at, part in stretches:
            data[at : at + len(part)] = part
        return bytes(data)

    return st.lists(stretch, min_size=1, max_size=4).map(write)


@given(overwritten(MESSAGE))
def test_a_damaged_message_is_refused_or_read_whole(data):
    """Property: damage ends in a CodecError or in columns of the spec's dtypes and shapes, never in a crash."""
    try:
        frames = unpack(data, SPEC).frames
    except CodecError:
        return
    for frame in frames:
        for field in SPEC.fields if frame.batch else ():
            column = frame.batch[field.name]
            assert isinstance(column, Ragged) == field.ragged
            values = column.values if isinstance(column, Ragged) else column
            assert values.shape[1:] == field.shape
            assert field.dtype in ("string", values.dtype.name)
            assert field.ragged is False or column.offsets[-1] == len(values)


@given(overwritten(SPEC_BYTES))
def test_a_damaged_spec_is_refused_or_is_a_spec(data):
    """Property: damage ends in a CodecError or in a spec that could be sent."""
    try:
        spec = spec_from_bytes(data)
    except CodecError:
        return
    assert spec_from_bytes(spec_to_bytes(spec)) == spec


def schema(metadata, kind=pa.uint8):
    """An Arrow schema, serialized, whose one column carries this text as its element spec."""
    column = pa.field("x", kind(), False, {"wire.field": metadata} if metadata else None)
    return pa.schema([column]).serialize().to_pybytes()


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "no json",
        "7",
        '["uint8", [], false]',
        '["uint8", 3, false, null]',
        '["uint8", ["3"], false, null]',
        '["uint8", [], "no", null]',
        '["object", [], false, null]',
        '["uint8", [], false, ["object", 1.0, 0.0]]',
        '["uint8", [], false, ["float32", NaN, 0.0]]',
        '["uint8", [], false, ["float32", "1", 0.0]]',
        '["uint8", [], false, ["float32", 1' + "0" * 400 + ", 0.0]]",
        '["uint16", [], false, null]',
        '["uint8", [], true, null]',
        '["uint8", [4], false, null]',
        "[" * 20_000,
    ],
    ids=lambda text: text[:45],
)
def test_a_schema_without_a_sound_spec_is_refused(metadata):
    """Metadata is read as data and has to fit the columns it is about."""
    with pytest.raises(CodecError):
        spec_from_bytes(schema(metadata))


def test_the_schema_of_these_tests_would_be_sound():
    """The refusals above are refused for what they say, not for how they are made."""
    spec = ElementSpec((Field("x", "uint8"),))
    assert spec_from_bytes(schema('["uint8", [], false, null]')) == spec
    assert schema_of(spec).names == ["x"]
