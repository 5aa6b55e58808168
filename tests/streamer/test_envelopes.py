"""Messages that are used again."""

from streamer.envelopes import SMALLEST_BYTES, Envelopes
from wire.elements import ElementSpec, Field
from wire.payload import layout_of

SPEC = ElementSpec((Field("x", "uint8", (1024,)),))


def layout_with(rows):
    return layout_of(SPEC, rows)


def test_small_payloads_get_none():
    """They share a message with others."""
    rows = SMALLEST_BYTES // 1024
    assert Envelopes().room(layout_with(rows // 2), 1) is None
    assert Envelopes().room(layout_with(rows), 1) is not None


def test_one_is_used_again_after_the_message_behind_it_was_sent():
    """gRPC holds the bytes of the last message until it has the next one."""
    envelopes = Envelopes()
    first, second = (envelopes.room(layout_with(200), 1).envelope for _ in range(2))
    envelopes.sent(first)
    assert envelopes.room(layout_with(200), 1).envelope is not first
    envelopes.sent(second)
    assert envelopes.room(layout_with(200), 1).envelope is first
    envelopes.sent(None)
    assert envelopes.room(layout_with(201), 1).envelope is not second
    assert envelopes.room(layout_with(200), 1).envelope is second


def test_one_that_is_still_written_to_is_not_used():
    """Somebody holds its room."""
    envelopes = Envelopes()
    room = envelopes.room(layout_with(200), 1)
    envelopes.sent(room.envelope)
    envelopes.sent(None)
    assert envelopes.room(layout_with(200), 1).envelope is not room.envelope
