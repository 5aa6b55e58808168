"""Encode: how many frames travel in a message."""

import dataclasses

import numpy as np
import pytest

from streamer.columns import frame_bytes
from streamer.stages.encode import Encoder, Lingering
from wire.codec import Frame, unpack
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput
from wire.payload import layout_of
from wire.room import Envelope, Room
from wire.seam import Seam, SeamClosed

SPEC = ElementSpec((Field("x", "uint8", (100,)),))


def _frame(number, end=False):
    batch = {} if end else {"x": np.full((10, 100), number, np.uint8)}
    return Frame(Cursor(0, 0, number), Cursor(0, 0, number + 1), batch, end)


def _seam(frames, error=None):
    seam = Seam("s", 100)
    for frame in frames:
        seam.put(frame, size=frame_bytes(frame))
    seam.close(error)
    return seam


def test_groups_to_about_the_message_size():
    """Frames that are ready are joined until the size is reached, and unpack as they were."""
    encoder, seam = Encoder(SPEC, 2500), _seam([_frame(n) for n in range(5)])
    groups = [encoder.group(seam.get_some, Lingering(), 1.0) for _ in range(2)]
    assert [[f.cursor.sequence for f in group] for group in groups] == [[0, 1, 2], [3, 4]]
    assert [f.batch["x"][0, 0] for f in unpack(next(encoder.messages(groups[0])).data, SPEC).frames] == [0, 1, 2]
    assert frame_bytes(_frame(1)) == 1000
    with pytest.raises(SeamClosed):
        encoder.group(seam.get_some, Lingering(), 1.0)


def test_a_frame_that_was_made_in_its_message_goes_alone():
    """Those between such frames share messages; all arrive in order."""
    layout = layout_of(SPEC, len(_frame(0).batch["x"]))

    def enveloped(number):
        envelope = Envelope(1024, layout.size)
        return dataclasses.replace(_frame(number), room=Room(layout, envelope.payload(), envelope=envelope))

    frames = [_frame(0), _frame(1), enveloped(2), enveloped(3), _frame(4, end=True)]
    messages = list(Encoder(SPEC).messages(frames))
    assert [message.envelope is not None for message in messages] == [False, True, True, False]
    received = [frame for message in messages for frame in unpack(message.data, SPEC).frames]
    assert [frame.cursor.sequence for frame in received] == [0, 1, 2, 3, 4]
    assert all((f.batch["x"] == sent.batch["x"]).all() for f, sent in zip(received[:4], frames, strict=False))


def test_goes_with_what_there_is():
    """A message does not wait for frames that are not ready, nor takes more than the credit."""
    encoder, seam = Encoder(SPEC), Seam("s", 9)
    seam.put(_frame(0))
    assert len(encoder.group(seam.get_some, Lingering(), 1.0)) == 1
    for frame in (_frame(1), _frame(2), _frame(3, end=True)):
        seam.put(frame)
    assert len(encoder.group(seam.get_some, Lingering(), 1.0, most=1)) == 1
    assert encoder.group(seam.get_some, Lingering(), 1.0)[-1].end
    with pytest.raises(TimeoutError):
        Encoder(SPEC).group(Seam("empty", 1).get_some, Lingering(), 0.01)


def test_an_error_waits_for_the_frames_before_it():
    """Frames made before an error travel; the error comes at the next call."""
    encoder, seam = Encoder(SPEC), _seam([_frame(0)], InvalidInput("bad data"))
    assert len(encoder.group(seam.get_some, Lingering(), 1.0)) == 1
    with pytest.raises(InvalidInput, match="bad data"):
        encoder.group(seam.get_some, Lingering(), 1.0)


def test_nobody_waits_for_frames_that_never_came():
    """Where waiting gave one frame only, the next messages do without, for longer each time; company ends that."""
    lingering = Lingering()
    waited = []
    for _ in range(12):
        waited.append(lingering.seconds > 0)
        lingering.gave(1)
    assert waited == [True, False, True, False, False, True, False, False, False, False, True, False]
    lingering.gave(2)
    assert lingering.seconds > 0
