"""Batches survive the wire, whatever they hold."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire import payload as payloads
from wire.arrow import read, written
from wire.codec import ALIGNMENT, BadSample, Frame, pack, unpack
from wire.cursor import Cursor
from wire.elements import NUMBERS, STRING, ElementSpec, Field, Landing, Ragged
from wire.payload import decode, encode
from wire.schema import CodecError, schema_of, spec_from_bytes, spec_to_bytes

SHAPES = [(), (1,), (784,), (2, 3, 4)]
TEXTS = ["", "a", "\N{SNOWMAN}", "x" * 1000]


def values(dtype, shape):
    """Values of every kind that a dtype has: extremes, NaN and infinities, both truths, any text."""
    size = int(np.prod(shape))
    if dtype == STRING:
        return np.array([TEXTS[i % len(TEXTS)] for i in range(size)], object).reshape(shape)
    bits = np.random.default_rng(7).integers(0, 256, size * np.dtype(dtype).itemsize, np.uint8)
    return (bits % 2 == 1 if dtype == "bool" else bits.view(dtype)).reshape(shape)


def same(left, right):
    """Whether two columns are equal bit for bit, in dtype and in shape."""
    if isinstance(left, Ragged):
        return same(left.values, right.values) and same(left.offsets, right.offsets)
    bits = left.tolist() == right.tolist() if left.dtype == object else left.tobytes() == right.tobytes()
    return bits and (left.dtype, left.shape) == (right.dtype, right.shape)


def memory(message):
    """The message as an array on its bytes, to ask what shares them."""
    return np.frombuffer(message, np.uint8)


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [*NUMBERS, STRING])
def test_every_dtype_and_shape_survives(dtype, shape, rows):
    """What is decoded is what was encoded, bit for bit, also for a batch of no rows."""
    spec = ElementSpec((Field("x", dtype, shape),))
    column = values(dtype, (rows, *shape))
    assert same(decode(bytes(encode({"x": column}, spec)), spec)["x"], column)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0], [3], [2, 0, 5, 1], [0, 4, 0]], ids=str)
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", [*NUMBERS, STRING])
def test_every_dtype_survives_as_lists_of_any_length(dtype, shape, lengths):
    """Lists of scalars, vectors and matrices keep their values and where each list ends."""
    spec = ElementSpec((Field("x", dtype, shape, ragged=True),))
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    column = Ragged(values(dtype, (sum(lengths), *shape)), offsets)
    assert same(decode(bytes(encode({"x": column}, spec)), spec)["x"], column)


@given(st.data())
def test_any_numbers_survive(data):
    """Property: any array of any dtype that can travel comes back bit for bit."""
    dtype = data.draw(st.sampled_from(NUMBERS))
    column = data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=4, max_side=5)))
    spec = ElementSpec((Field("x", dtype, column.shape[1:]),))
    assert same(decode(bytes(encode({"x": column}, spec)), spec)["x"], column)


@given(st.lists(st.lists(st.text(), max_size=4), max_size=4))
def test_any_lists_of_text_survive(lists):
    """Property: any text in lists of any length comes back, each in its place."""
    spec = ElementSpec((Field("words", STRING, ragged=True),))
    flat = [word for words in lists for word in words]
    column = Ragged(np.array(flat, object), np.cumsum([0, *map(len, lists)], dtype=np.int64))
    assert same(decode(bytes(encode({"words": column}, spec)), spec)["words"], column)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda x: x[:, ::-1], lambda x: x.astype(">f4")])
def test_values_count_and_not_how_they_lie_in_memory(make):
    """Transposed, strided and byte-swapped columns travel as the numbers they hold."""
    spec = ElementSpec((Field("x", "float32", (4,)),))
    column = make(np.arange(12, dtype=np.float32).reshape(3, 4))
    decoded = decode(bytes(encode({"x": column}, spec)), spec)["x"]
    assert decoded.tolist() == column.tolist()


def images(rows=4, value=3):
    """A batch as a model takes it, and its spec."""
    spec = ElementSpec((Field("image", "uint8", (28, 28)), Field("weight", "float64"), Field("label", "int32")))
    pixels = np.full((rows, 28, 28), value, np.uint8)
    return spec, {"image": pixels, "weight": np.linspace(0, 1, rows), "label": np.arange(rows, dtype=np.int32)}


def test_several_frames_travel_in_one_message():
    """Frames keep their order, cursors and batches; the end of a stream is a frame without rows."""
    spec, batch = images()
    start, second, end = Cursor(3, 1, 9), Cursor(3, 1, 10), Cursor(3, 2, 0)
    frames = [Frame(start, second, batch), Frame(second, end, images(2, 5)[1]), Frame(end, end, {}, end=True)]
    received = unpack(pack(frames, spec).data, spec).frames
    assert [(f.cursor, f.following, f.end, f.rows) for f in received] == [
        (start, second, False, 4),
        (second, end, False, 2),
        (end, end, True, 0),
    ]
    for sent, got in zip(frames, received, strict=True):
        assert sent.batch.keys() == got.batch.keys()
        assert all(same(sent.batch[name], got.batch[name]) for name in sent.batch)


def test_a_frame_may_have_several_batches():
    """Batches that follow one another travel as one, with a digest for each."""
    spec, batch = images(6)
    sent = Frame(Cursor(1, 0, 4), Cursor(1, 1), batch, digests=(5, 2**64 - 1, 0), row_numbers=np.arange(6))
    (got,) = unpack(pack([sent], spec).data, spec).frames
    assert (got.cursor, got.following, got.digests, got.batches, got.rows) == (
        Cursor(1, 0, 4),
        Cursor(1, 1),
        (5, 2**64 - 1, 0),
        3,
        6,
    )


@pytest.mark.parametrize(
    ("rows", "digests", "bad"),
    [(4, (1, 2, 3), ()), (4, (), ()), (4, (1, 2), (BadSample(0, 0, "a", "torn"),)), (0, (1, 2), ())],
    ids=["do not share the samples", "none", "a bad sample among several", "empty"],
)
def test_batches_that_a_frame_cannot_have_are_refused(rows, digests, bad):
    """All batches of a frame have as many samples, one at least; a bad one is in a frame with one batch."""
    spec, batch = images(rows)
    message = pack([Frame(Cursor(0), Cursor(0, 0, 9), batch, digests=digests, bad=bad)], spec).data
    with pytest.raises(CodecError, match=f"{rows} samples and {len(bad)} bad ones in {len(digests)} batches"):
        unpack(message, spec)


def test_a_frame_accounts_for_its_samples():
    """Digest, row numbers, bad samples and the loader's state arrive as they were sent."""
    spec, batch = images()
    bad = (BadSample(2, 77, "a.parquet row 77", "the image is cut off"),)
    numbers = np.array([9, 2**40, 4, 0])
    sent = Frame(Cursor(0), Cursor(0, 0, 1), batch, False, (2**64 - 1,), numbers, bad, b"state")
    (got,) = unpack(pack([sent], spec).data, spec).frames
    assert (got.digests, got.bad, got.loader_state) == ((2**64 - 1,), bad, b"state")
    assert got.row_numbers is not None
    assert got.row_numbers.tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("numbers", "places"), [([1, 2, 3], []), ([1, 2, 3, 4, 5], []), ([1, 2, 3, -4], []), (None, [4])]
)
def test_an_account_that_does_not_fit_its_batch_is_refused(numbers, places):
    """A row number too few or too many, one below zero, or a bad sample beyond the batch."""
    spec, batch = images()
    rows = None if numbers is None else np.array(numbers)
    bad = tuple(BadSample(place, 0, "", "") for place in places)
    message = pack([Frame(Cursor(0), Cursor(0, 0, 1), batch, row_numbers=rows, bad=bad)], spec).data
    with pytest.raises(CodecError, match="4 samples"):
        unpack(message, spec)


def test_a_message_may_hold_no_frame():
    """Nothing packed is nothing unpacked."""
    assert unpack(pack([], images()[0]).data, images()[0]).frames == []


@pytest.mark.parametrize("dtype", [d for d in NUMBERS if d != "bool"])
def test_numbers_are_views_on_the_message(dtype):
    """A decoded number column shares the message's memory, is aligned for its dtype, and cannot be written."""
    spec = ElementSpec((Field("x", dtype, (5,)), Field("r", dtype, (3,), ragged=True)))
    column = values(dtype, (7, 5))
    batch = {"x": column, "r": Ragged(values(dtype, (4, 3)), np.array([0, 1, 4, 4, 4, 4, 4, 4], np.int64))}
    message = pack([Frame(Cursor(0), Cursor(0, 0, 1), batch)] * 3, spec).data
    for frame in unpack(message, spec).frames:
        for numbers in (frame.batch["x"], frame.batch["r"].values):
            assert np.shares_memory(numbers, memory(message))
            assert numbers.flags.aligned
            assert not numbers.flags.writeable


def test_payloads_start_at_multiples_of_the_alignment():
    """Every payload begins 64 bytes apart, as the message's layout says."""
    spec, batch = images(rows=3)
    message = pack([Frame(Cursor(0), Cursor(0, 0, 1), batch)] * 3, spec).data
    payload = bytes(encode(batch, spec))
    starts = [i for i in range(len(message)) if message.startswith(payload, i)]
    assert len(starts) == 3
    assert all(start % ALIGNMENT == 0 for start in starts)


SPEC = ElementSpec(
    (
        Field("image", "uint8", (28, 28), landing=Landing("float16", 1 / 255, -0.5)),
        Field("boxes", "float32", (4,), ragged=True, landing=Landing("float64")),
        Field("words \N{SNOWMAN}", STRING, (2,), ragged=True),
        Field("seen", "bool"),
    )
)


def test_a_spec_survives():
    """Names, dtypes, shapes, raggedness and landing come back as they were."""
    assert spec_from_bytes(spec_to_bytes(SPEC)) == SPEC


def test_a_spec_is_an_arrow_schema_that_any_language_reads():
    """Columns have Arrow's own types: fixed-size lists for tensors, large lists for ragged fields."""
    types = [str(column.type).replace(" not null", "") for column in schema_of(SPEC)]
    assert types == [
        "fixed_size_list<item: uint8>[784]",
        "large_list<item: fixed_size_list<item: float>[4]>",
        "large_list<item: fixed_size_list<item: string>[2]>",
        "bool",
    ]


shapes = st.lists(st.integers(1, 9), max_size=3).map(tuple)
landings = st.builds(Landing, st.sampled_from(NUMBERS), st.floats(-9, 9), st.floats(-9, 9))
numbers = st.builds(Field, st.text(), st.sampled_from(NUMBERS), shapes, st.booleans(), st.none() | landings)
strings = st.builds(Field, st.text(), st.just(STRING), shapes, st.booleans())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(numbers | strings, max_size=5, unique_by=lambda f: f.name).map(lambda f: ElementSpec(tuple(f))))
def test_any_spec_survives(spec):
    """Property: every spec that can be made can be sent."""
    assert spec_from_bytes(spec_to_bytes(spec)) == spec


PLAIN = ElementSpec((Field("x", "uint8", (3,)), Field("y", "float32"), Field("z", "int16", (2, 2))))


def plain(rows):
    """A batch of PLAIN."""
    return {"x": values("uint8", (rows, 3)), "y": values("float32", (rows,)), "z": values("int16", (rows, 2, 2))}


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 256])
def test_a_payload_is_what_arrow_writes(rows):
    """Byte for byte, also where only the numbers are put in."""
    batch = plain(rows)
    for _ in range(2):
        assert bytes(encode(batch, PLAIN)) == written(list(batch.values()), PLAIN).to_pybytes()


def test_a_payload_that_another_writer_made_is_read():
    """Arrow can say the same in other bytes; what is known of our own is not expected of everybody."""
    batch = plain(16)
    ours = bytes(encode(batch, PLAIN))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4)
    with pa.ipc.new_stream(sink, schema_of(PLAIN), options=options) as out:
        out.write_batch(pa.ipc.read_record_batch(pa.py_buffer(ours), schema_of(PLAIN)))
    messages = pa.ipc.MessageReader.open_stream(sink.getvalue())
    messages.read_next_message()
    theirs = messages.read_next_message().serialize()
    assert theirs.to_pybytes() != ours
    for payload in (ours, theirs, ours):
        assert all(same(column, batch[name]) for name, column in decode(payload, PLAIN).items())


class Shelves:
    """Memory with room for so many payloads."""

    def __init__(self, room):
        self.memory, self.room, self.used = np.zeros(16384, np.uint8), room, 64

    def place(self, size):
        if not self.room:
            return None
        self.room, start, self.used = self.room - 1, self.used, self.used + size
        return start, self.memory[start : self.used]


@pytest.mark.parametrize("room", [0, 1, 3])
@pytest.mark.parametrize("spec", [PLAIN, images()[0]], ids=["plain", "images"])
def test_payloads_lie_in_shared_memory_where_it_has_room(room, spec):
    """The others are in the message, and the size counts both; nobody can tell the batches apart."""
    batch = plain(4) if spec is PLAIN else images()[1]
    frames = [Frame(Cursor(0, 0, n), Cursor(0, 0, n + 1), batch) for n in range(3)]
    frames.append(Frame(Cursor(0, 0, 3), Cursor(0, 0, 3), {}, end=True))
    shelves = Shelves(room)
    message = pack(frames, spec, shelves)
    received = unpack(message.data, spec, shelves.memory)
    assert received.size == message.size == len(message.data) + room * encode(batch, spec).size
    for frame in received.frames[:3]:
        assert all(same(batch[name], frame.batch[name]) for name in batch)
    inside = [np.shares_memory(frame.batch[spec.names[0]], shelves.memory) for frame in received.frames[:3]]
    assert inside == [number < room for number in range(3)]


def test_a_payload_beyond_the_shared_memory_is_refused():
    """Nothing is read where nothing was offered."""
    shelves = Shelves(1)
    message = pack([Frame(Cursor(0), Cursor(0, 0, 1), plain(4))], PLAIN, shelves)
    for memory_of_push in (None, shelves.memory[:100]):
        with pytest.raises(CodecError, match="ends inside the payload"):
            unpack(message.data, PLAIN, memory_of_push)


RAGGED = ElementSpec((Field("x", "float32", ragged=True),))


@pytest.mark.parametrize(("spec", "parsed"), [(PLAIN, False), (RAGGED, True)], ids=["plain", "ragged"])
def test_what_is_parsed_is_copied_out_of_shared_memory_first(spec, parsed, monkeypatch):
    """A worker that writes on cannot change what Arrow is looking at; plain numbers are not parsed at all."""
    batch = {"x": Ragged(values("float32", (5,)), np.array([0, 2, 5], np.int64))} if parsed else plain(4)
    shared = np.frombuffer(bytearray(bytes(encode(batch, spec))), np.uint8)
    seen = []
    monkeypatch.setattr(payloads, "read", lambda data, spec: seen.append(data) or read(data, spec))
    decoded = decode(shared, spec)
    assert all(same(column, batch[name]) for name, column in decoded.items())
    assert len(seen) == parsed
    assert not any(np.shares_memory(data, shared) for data in seen)
