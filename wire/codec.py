"""Frames to messages and back. One gRPC message carries one or more frames:

    uint32 n | uint32 start | n bytes: wire.v1.FramesHeader | ... start: payload | padding to 64 | payload ...

A payload is a batch as wire.payload writes it. One that lies in shared memory is not in the message: its header says
where. One that was made in its message begins at a start that was chosen before the header was known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from wire.cursor import Cursor
from wire.elements import Batch, ElementSpec, rows_of
from wire.payload import Bytes, decode, encode
from wire.room import Envelope, Room
from wire.schema import CodecError
from wire.v1 import ingest_pb2

ALIGNMENT = 64
_PREFIX = struct.Struct("<II")
_ROW_NUMBER = np.dtype("<i8")
_FIXED_BYTES, _BATCH_BYTES = 256, 8
"""Of the header of a frame, at most, but for row numbers and what seldom is there: for itself, and for each batch."""


@dataclass(frozen=True, slots=True)
class BadSample:
    """A sample that could not be read. place: in its batch. row: its number in the source."""

    place: int
    row: int
    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What is pushed at once: a batch, or some that follow one another in an epoch and have as many samples each.

    cursor: of the first. following: where the stream goes on after the last. batch: the samples of all of them, in
    order. end: the stream ends here and the batch is empty; `cursor` is where the next batch would have been.
    digests: say what each batch is, 64 bits (wire.history). row_numbers: (rows,) int64, the source's numbers of the
    samples; None where it has none. bad: samples that others of the batch stand in for; such a batch is alone.
    loader_state: of the user's loader after the last batch; b"" where it has none or it was not taken here.
    room: where the payload of the batch belongs, which may lie there already; None where nobody has chosen it.
    """

    cursor: Cursor
    following: Cursor
    batch: Batch
    end: bool = False
    digests: tuple[int, ...] = (0,)
    row_numbers: npt.NDArray[np.int64] | None = None
    bad: tuple[BadSample, ...] = ()
    loader_state: bytes = b""
    room: Room | None = None

    @property
    def rows(self) -> int:
        """Samples in all batches together."""
        return rows_of(self.batch)

    @property
    def batches(self) -> int:
        """How many there are; an end counts as one."""
        return len(self.digests)

    def cursors(self) -> list[Cursor]:
        """Of each batch, and where the stream goes on."""
        return [*map(self.cursor.further, range(self.batches)), self.following]


class Shelf(Protocol):
    """Memory that the consumer of a message sees too. It hears of every payload, in order."""

    def place(self, size: int) -> tuple[int, Bytes] | None:
        """Room for the next payload: where it begins, and the memory; None where there is none now."""
        ...

    def send(self, room: Room) -> None:
        """The next payload has its room, on this shelf or elsewhere."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """A gRPC message. size: in bytes, with the payloads that lie on a shelf. batches: of all frames.

    content: its bytes, or the envelope in which its payload was made: let go of the frames before asking for `data`.
    """

    content: bytes | Envelope
    size: int
    batches: int

    def __len__(self) -> int:
        """Bytes of the message itself."""
        return len(self.content)

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.message()

    @property
    def envelope(self) -> Envelope | None:
        return None if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The frames of a message, their batches as views on it or on the shared memory. size: as of Packed."""

    frames: list[Frame]
    size: int


@dataclass(frozen=True, slots=True)
class _Laid:
    """A frame's payload: on the shelf at `place`, else in the message, in these parts. size: in bytes."""

    size: int = 0
    place: int | None = None
    parts: tuple[Bytes, ...] = ()


def pack(frames: Sequence[Frame], spec: ElementSpec, shelf: Shelf | None = None) -> Packed:
    """One message with these frames, their payloads on the shelf where that has room. Raises CodecError.

    A single frame that has an envelope is that message.
    """
    laid = [_laid(frame, spec, shelf) for frame in frames]
    header = ingest_pb2.FramesHeader(frames=map(_header, frames, laid)).SerializeToString()
    batches = sum(frame.batches for frame in frames)
    room = frames[0].room if len(frames) == 1 else None
    envelope = room.envelope if room is not None and laid[0].parts == (room.memory,) else None
    if envelope is not None and _PREFIX.size + len(header) <= envelope.head:
        envelope.begin(_PREFIX.pack(len(header), envelope.head) + header)
        return Packed(envelope, len(envelope), batches)
    parts: list[bytes | memoryview] = [_PREFIX.pack(len(header), _PREFIX.size + len(header)), header]
    size = _PREFIX.size + len(header)
    for each in laid:
        if each.parts:
            padding = -size % ALIGNMENT
            parts += (bytes(padding), *(part.data for part in each.parts))
            size += padding + each.size
    shelved = sum(each.size for each in laid if not each.parts)
    return Packed(b"".join(parts), size + shelved, batches)


def beginning_of(rows: int, batches: int) -> int:
    """Bytes before the payload of a message with one frame of so many rows and batches; a multiple of ALIGNMENT."""
    size = _PREFIX.size + _FIXED_BYTES + _BATCH_BYTES * batches + _ROW_NUMBER.itemsize * rows
    return size + -size % ALIGNMENT


def unpack(data: bytes, spec: ElementSpec, shared: Bytes | None = None) -> Unpacked:
    """Read a message. shared: where payloads may lie. Raises CodecError for anything `pack` did not write."""
    if len(data) < _PREFIX.size:
        raise CodecError(f"a message of {len(data)} bytes is no frame")
    length, start = _PREFIX.unpack_from(data)
    if not _PREFIX.size + length <= start <= len(data):
        raise CodecError("a message ends inside its header")
    try:
        header = ingest_pb2.FramesHeader.FromString(data[_PREFIX.size : _PREFIX.size + length])
    except DecodeError as error:
        raise CodecError(f"a message starts with no frame header: {error}") from error
    payloads = _payloads(header.frames, np.frombuffer(data, np.uint8), start, shared)
    frames = [_frame(h, payload, spec) for h, payload in zip(header.frames, payloads, strict=True)]
    shelved = sum(h.payload_bytes for h in header.frames if h.HasField("place"))
    return Unpacked(frames, len(data) + shelved)


def _laid(frame: Frame, spec: ElementSpec, shelf: Shelf | None) -> _Laid:
    if frame.end:
        return _Laid()
    room = frame.room
    if room is not None and room.fill(frame.batch):
        if shelf is not None:
            shelf.send(room)
        return _Laid(room.layout.size, room.place, (room.memory,) if room.place is None else ())
    payload = encode(frame.batch, spec)
    found = shelf.place(payload.size) if shelf is not None else None
    if found is None:
        return _Laid(payload.size, None, payload.parts)
    place, memory = found
    payload.write(memory)
    return _Laid(payload.size, place)


def _payloads(
    headers: Iterable[ingest_pb2.FrameHeader], message: Bytes, at: int, shared: Bytes | None
) -> Iterator[Bytes]:
    for header in headers:
        size, here = header.payload_bytes, not header.HasField("place")
        if here and size:
            at += -at % ALIGNMENT
        start, memory = (at, message) if here else (header.place, message[:0] if shared is None else shared)
        payload = memory[start : start + size]
        if len(payload) != size:
            raise CodecError(f"a message ends inside the payload of {cursor_from(header.cursor)}")
        at += size if here else 0
        yield payload
    if at != len(message):
        raise CodecError(f"a message of {len(message)} bytes has frames that take {at}")


def _frame(header: ingest_pb2.FrameHeader, payload: Bytes, spec: ElementSpec) -> Frame:
    if not (header.HasField("cursor") and header.HasField("following")) or (header.end and header.payload_bytes):
        raise CodecError(f"a frame header lacks a cursor, or ends a stream with a payload: {str(header)[:200]!r}")
    batch = {} if header.end else decode(payload, spec)
    bad = tuple(BadSample(b.place, b.row, b.where, b.why) for b in header.bad)
    frame = Frame(
        cursor_from(header.cursor),
        cursor_from(header.following),
        batch,
        header.end,
        tuple(header.digests),
        _row_numbers(header),
        bad,
        header.loader_state,
    )
    _check_account(frame)
    return frame


def _row_numbers(header: ingest_pb2.FrameHeader) -> npt.NDArray[np.int64] | None:
    if not header.row_numbers:
        return None
    if len(header.row_numbers) % _ROW_NUMBER.itemsize:
        raise CodecError(f"the row numbers of {cursor_from(header.cursor)} end inside a number")
    return np.frombuffer(header.row_numbers, _ROW_NUMBER)


def _check_account(frame: Frame) -> None:
    """Digests, row numbers and bad samples are of the batches that there are."""
    numbers = frame.row_numbers
    if not frame.batches or frame.rows % frame.batches or (frame.batches > 1 and (frame.bad or not frame.rows)):
        raise CodecError(
            f"{frame.cursor} has {frame.rows} samples and {len(frame.bad)} bad ones in {frame.batches} batches"
        )
    if numbers is not None and (len(numbers) != frame.rows or (numbers < 0).any()):
        raise CodecError(f"{frame.cursor} has {frame.rows} samples and {len(numbers)} row numbers")
    if any(bad.place >= frame.rows for bad in frame.bad):
        raise CodecError(f"{frame.cursor} has {frame.rows} samples and a bad one beyond them")


def _header(frame: Frame, laid: _Laid) -> ingest_pb2.FrameHeader:
    numbers = frame.row_numbers
    return ingest_pb2.FrameHeader(
        cursor=cursor_message(frame.cursor),
        following=cursor_message(frame.following),
        payload_bytes=laid.size,
        end=frame.end,
        digests=frame.digests,
        row_numbers=b"" if numbers is None else numbers.astype(_ROW_NUMBER, copy=False).tobytes(),
        bad=[ingest_pb2.BadSample(place=b.place, row=b.row, where=b.where, why=b.why) for b in frame.bad],
        loader_state=frame.loader_state,
        place=laid.place,
    )


def cursor_message(cursor: Cursor) -> ingest_pb2.Cursor:
    """A cursor as it travels."""
    return ingest_pb2.Cursor(stream=cursor.stream, epoch=cursor.epoch, sequence=cursor.sequence)


def cursor_from(message: ingest_pb2.Cursor) -> Cursor:
    """Read what `cursor_message` wrote."""
    return Cursor(message.stream, message.epoch, message.sequence)
