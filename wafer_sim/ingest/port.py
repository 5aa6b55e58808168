"""The port of one stream: gate, seam and credits behind one lock, shared by pushers and the merge."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_sim.ingest.credits import CreditWindow
from wafer_sim.ingest.gate import Gate, Verdict
from wire.codec import Frame, cursor_message
from wire.cursor import Cursor
from wire.elements import ElementSpec, Ragged
from wire.errors import InvalidInput
from wire.landing import land
from wire.seam import Seam, SeamClosed
from wire.v1 import ingest_pb2

WINDOW_BATCHES = 32
WINDOW_BYTES = 32 * 2**20

Arrays = tuple[npt.NDArray[np.generic], ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A batch that has landed. arrays: in the order and dtypes that the model takes; empty at the stream's end."""

    cursor: Cursor
    following: Cursor
    arrays: Arrays
    rows: int
    wire_bytes: int
    end: bool


class Push:
    """One worker's push into a port: its lease, and the grants that wait to be sent to it."""

    def __init__(self, port: StreamPort, lease: int, worker: str) -> None:
        self.port = port
        self.lease = lease
        self.worker = worker
        self.grants: Seam[ingest_pb2.Grant] = Seam("grants", 4 * WINDOW_BATCHES)

    def arrive(self, frames: Sequence[Frame], message_bytes: int) -> None:
        """Judge and land frames. Raises Refused for a stale lease, InvalidInput for a frame that does not fit."""
        share = message_bytes // max(1, len(frames))
        for frame in frames:
            self.port.arrive(self, frame, share)


class StreamPort:
    """Where the batches of one stream arrive, in the dtypes that the model takes.

    What lies in the seam and what may still be sent add up to one window, whoever hosts the stream.
    """

    def __init__(self, start: Cursor, spec: ElementSpec, dtypes: Sequence[str]) -> None:
        self.stream = start.stream
        self.spec = spec
        self.seam: Seam[Arrived] = Seam(f"merge/{start.stream}", 2 * WINDOW_BATCHES)
        self._dtypes = tuple(dtypes)
        self._gate = Gate(start)
        self._window = CreditWindow(WINDOW_BATCHES, WINDOW_BYTES)
        self._lock = threading.Lock()
        self._push: Push | None = None
        self._acked = start

    @property
    def host(self) -> str:
        """The worker that pushes now, "" where there is none."""
        push = self._push
        return push.worker if push else ""

    def enter(self, lease: int, worker: str) -> Push:
        """A worker begins to push; whoever pushed before is told to stop. Raises Refused for a stale lease."""
        push = Push(self, lease, worker)
        with self._lock:
            start = self._gate.enter(lease)
            old, self._push = self._push, push
            batches, nbytes = self._window.reopen()
        push.grants.put(ingest_pb2.Grant(start=cursor_message(start), batches=batches, bytes=nbytes))
        if old is not None:
            old.grants.close()
        return push

    def leave(self, push: Push) -> None:
        """A push is over; the stream waits for another host."""
        with self._lock:
            if self._push is push:
                self._push = None
        push.grants.close()

    def arrive(self, push: Push, frame: Frame, wire_bytes: int) -> None:
        """Land a frame and let it in; a duplicate is dropped and its credit given back."""
        arrays = () if frame.end else self._landed(frame)
        arrived = Arrived(frame.cursor, frame.following, arrays, frame.rows, wire_bytes, frame.end)
        due = None
        with self._lock:
            if self._gate.judge(push.lease, frame) is Verdict.TAKE:
                self._window.entered(wire_bytes)
                self.seam.put(arrived)
            else:
                due = self._window.returned(wire_bytes)
        self._grant(due)

    def take(self, timeout: float) -> Arrived:
        """The next batch in order. Raises TimeoutError, or SeamClosed when the run is over."""
        arrived = self.seam.get(timeout)
        with self._lock:
            due = self._window.taken(arrived.wire_bytes)
        self._grant(due)
        return arrived

    def ack(self, following: Cursor) -> None:
        """The step that used every batch before this cursor is committed."""
        self._acked = following

    def close(self) -> None:
        """The run is over: nothing more is let in, and whoever pushes is told to stop."""
        self.seam.close()
        push = self._push
        if push is not None:
            push.grants.close()

    def _grant(self, due: tuple[int, int] | None) -> None:
        push = self._push
        if due is None or push is None:
            return
        grant = ingest_pb2.Grant(batches=due[0], bytes=due[1], acked=cursor_message(self._acked))
        with contextlib.suppress(SeamClosed):  # a push that has just ended needs no credit
            push.grants.put(grant)

    def _landed(self, frame: Frame) -> Arrays:
        return tuple(
            land(_dense(frame, field.name), field.landing, dtype)
            for field, dtype in zip(self.spec.fields, self._dtypes, strict=True)
        )


def _dense(frame: Frame, name: str) -> npt.NDArray[np.generic]:
    column = frame.batch[name]
    if isinstance(column, Ragged):
        raise InvalidInput(
            f"field {name!r} is ragged; the wafer takes tensors of one shape",
            where=str(frame.cursor),
            fix="pad it in the loader or in the recipe",
        )
    return column
