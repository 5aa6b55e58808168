"""Rooms: payloads that are made where they are read from, or sent."""

import numpy as np
import pytest

from wire.codec import Frame, beginning_of, pack, unpack
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.payload import decode, encode, layout_of
from wire.room import Envelope, Room

SPEC = ElementSpec((Field("x", "float32", (2, 3)), Field("y", "int32")))
ROWS = 50


def batch_of(start):
    """A batch that its start tells from others."""
    x = np.arange(start, start + ROWS * 6, dtype=np.float32).reshape(ROWS, 2, 3)
    return {"x": x, "y": np.arange(start, start + ROWS, dtype=np.int32)}


def enveloped(batches=1):
    """Room in a message of its own."""
    layout = layout_of(SPEC, ROWS)
    envelope = Envelope(beginning_of(ROWS, batches), layout.size)
    return Room(layout, envelope.payload(), envelope=envelope)


def frame_of(room, batch, batches=1):
    """A frame whose payload belongs in this room."""
    numbers = np.arange(ROWS, dtype=np.int64)
    digests = tuple(2**64 - 1 - n for n in range(batches))
    return Frame(Cursor(3, 2**31, 2**40), Cursor(3, 2**31, 2**40 + batches), batch, False, digests, numbers, room=room)


@pytest.mark.parametrize("made", [True, False], ids=["made there", "made elsewhere"])
def test_a_room_holds_the_payload_that_arrow_reads(made):
    """The same bytes as of a batch that was encoded, whether its columns were written there or are copied."""
    room, batch = enveloped(), batch_of(5)
    if made:
        for name, column in room.columns.items():
            column[:] = batch[name]
    assert room.fill(room.columns if made else batch)
    assert bytes(room.memory) == bytes(encode(batch, SPEC))
    assert all((decode(room.memory, SPEC)[name] == batch[name]).all() for name in batch)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": batch_of(0)["x"]},
        batch_of(0) | {"y": np.zeros(ROWS, np.int64)},
        batch_of(0) | {"y": np.zeros(ROWS - 1, np.int32)},
    ],
    ids=["a field is missing", "another dtype", "too few rows"],
)
def test_what_is_not_of_the_layout_is_not_squeezed_into_it(wrong):
    """Nothing is cast or repeated; the codec then says what is wrong."""
    assert not enveloped().fill(wrong)


@pytest.mark.parametrize("batches", [1, 50])
def test_a_frame_with_an_envelope_is_a_message_of_its_own(batches):
    """Its bytes are those of the envelope, and read as any message; large numbers fit before the payload."""
    room, batch = enveloped(batches), batch_of(1)
    message = pack([frame_of(room, batch, batches)], SPEC)
    assert message.envelope is room.envelope
    assert message.size == len(message) == len(message.data)
    (frame,) = unpack(message.data, SPEC).frames
    assert all((frame.batch[name] == batch[name]).all() for name in batch)
    assert (frame.cursor, frame.batches, frame.rows) == (Cursor(3, 2**31, 2**40), batches, ROWS)


def test_a_header_that_does_not_fit_goes_into_a_message_that_is_joined():
    """A state of a loader, say, which is of any length."""
    room = enveloped()
    frame = frame_of(room, batch_of(2))
    long = Frame(frame.cursor, frame.following, frame.batch, loader_state=bytes(10_000), room=room)
    message = pack([long], SPEC)
    assert message.envelope is None
    assert (unpack(message.data, SPEC).frames[0].batch["x"] == batch_of(2)["x"]).all()


def test_an_envelope_is_sent_without_a_copy_and_never_changes_what_was_sent():
    """The next message has the same memory once nobody holds the last one, and other memory while somebody does."""
    envelope = Envelope(64, 1 << 20)
    payload = envelope.payload()
    assert not envelope.is_free
    where = payload.__array_interface__["data"][0]
    payload[:] = 1
    del payload
    assert envelope.is_free
    first = envelope.message()
    assert envelope.message() is first
    del first
    assert envelope.payload().__array_interface__["data"][0] == where
    held = envelope.message()
    envelope.payload()[:] = 2
    assert set(held[64:]) == {1}
    assert set(envelope.message()[64:]) == {2}
