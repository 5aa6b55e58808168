"""The port of one stream: gate, seam and credits behind one lock, shared by pushers and the merge."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence

from wafer_sim.ingest.arrived import Arrays, Arrived, Landings, batches_of
from wafer_sim.ingest.credits import CreditWindow
from wafer_sim.ingest.gate import Gate, Verdict
from wafer_sim.ledger import StreamPosition
from wire.codec import Frame, cursor_message
from wire.cursor import Cursor
from wire.elements import ElementSpec
from wire.errors import InvalidInput, StaleLease
from wire.landing import land
from wire.payload import Bytes
from wire.seam import Seam, SeamClosed
from wire.shared_memory import SharedMemory
from wire.v1 import ingest_pb2

log = logging.getLogger(__name__)

WINDOW_BATCHES = 128
WINDOW_BYTES = 32 * 2**20


class Push:
    """One worker's push into a port: its lease, its number among the pushes of the stream, the grants to be sent."""

    def __init__(self, port: StreamPort, lease: int, worker: str, shared: SharedMemory | None = None) -> None:
        self.port = port
        self.lease = lease
        self.worker = worker
        self.shared = shared
        self.number = 0
        self.landings = Landings()
        self.grants: Seam[ingest_pb2.Grant] = Seam("grants", 4 * WINDOW_BATCHES)

    def close(self) -> None:
        """Nobody finds the memory, and no grants come any more."""
        if self.shared is not None:
            self.shared.close()
        self.grants.close()

    @property
    def memory(self) -> Bytes | None:
        """Where payloads may lie that are not in a message."""
        return self.shared.memory if self.shared is not None else None

    def arrive(self, frames: Sequence[Frame], message_bytes: int) -> None:
        """Let frames in, the bytes of their message shared out among them to the last one.

        Raises StaleLease, SeamClosed when the run is over, InvalidInput for a frame that does not fit.
        """
        share, rest = divmod(message_bytes, max(1, len(frames)))
        for left, frame in zip(reversed(range(len(frames))), frames, strict=True):
            self.port.arrive(self, frame, share if left else share + rest)


class StreamPort:
    """Where the batches of one stream arrive, and land in the dtypes that the model takes.

    What lies in the seam and what may still be sent add up to one window, whoever hosts the stream; a pusher that
    keeps to no credit is refused. The batches of a frame count as taken when the first of them is. They wait as they
    came, in a message or in shared memory, and land when they are wanted: they are in a cache when they are used.

    start: what was taken of the stream so far. tolerant: batches may have samples that could not be read.
    """

    def __init__(
        self, start: StreamPosition, spec: ElementSpec, dtypes: Sequence[str], *, tolerant: bool = False
    ) -> None:
        self.stream = start.cursor.stream
        self.spec = spec
        self.seam: Seam[list[Arrived]] = Seam(f"merge/{self.stream}", 2 * WINDOW_BATCHES)
        self._next: deque[Arrived] = deque()
        self._dtypes = tuple(dtypes)
        self._tolerant = tolerant
        self._gate = Gate.after(start)
        self._window = CreditWindow(WINDOW_BATCHES, WINDOW_BYTES)
        self._lock = threading.Lock()
        self._push: Push | None = None
        self._pushes = 0
        self._closed = False
        self._acked = start.cursor

    @property
    def host(self) -> str:
        """The worker that pushes now, "" where there is none."""
        push = self._push
        return push.worker if push else ""

    @property
    def hosts(self) -> int:
        """How many pushes there were: the number of the newest one."""
        return self._pushes

    @property
    def ready(self) -> bool:
        """Whether a batch is there to be taken."""
        return bool(self._next) or self.seam.depth > 0

    @property
    def ended(self) -> bool:
        """Whether the end of the stream was let in."""
        return self._gate.ended

    def enter(self, lease: int, worker: str, shared: SharedMemory | None = None) -> Push:
        """A worker begins to push; whoever pushed before is told to stop. Raises StaleLease.

        When the run is over, the new push too is told to stop. shared: where the worker may put its payloads.
        """
        push = Push(self, lease, worker, shared)
        with self._lock:
            self._gate.enter(lease)
            old, self._push = self._push, push
            self._pushes += 1
            push.number = self._pushes
            push.grants.put(self._first_grant(push.shared))
            if self._closed:
                push.grants.close()
        if old is not None:
            old.grants.close()
        return push

    def leave(self, push: Push) -> None:
        """A push is over; the stream waits for another host."""
        with self._lock:
            if self._push is push:
                self._push = None
        push.close()

    def arrive(self, push: Push, frame: Frame, wire_bytes: int) -> None:
        """Let a frame in; a duplicate is dropped and its credit given back.

        Raises SeamClosed when the run is over, StaleLease for a push that was replaced, InvalidInput for a frame that
        does not fit, had no credit, or has a bad sample where none is tolerated.
        """
        arrived = batches_of(frame, self.spec, push.number, push.landings, wire_bytes)
        with self._lock:
            self._require_now(push)
            self._require_credit(push, frame)
            self._require_good(push, frame)
            if self._gate.judge(push.lease, frame) is Verdict.TAKE:
                self._window.entered(frame.batches, wire_bytes)
                self.seam.put(arrived, size=wire_bytes, count=frame.batches)
            else:
                self._grant(self._window.returned(frame.batches, wire_bytes))

    def take(self, timeout: float) -> Arrived:
        """The next batch in order. Raises TimeoutError, or SeamClosed when the run is over."""
        if not self._next:
            self._refill(timeout)
        return self._next.popleft()

    def has_batch(self) -> bool:
        """Whether a batch, and not the stream's end, can be taken at once. For the thread that takes them."""
        if not self._next and self.seam.depth:
            self._refill(0.0)
        return bool(self._next) and not self._next[0].end

    def land(self, arrived: Arrived) -> Arrays:
        """The columns of a batch in the dtypes that the model takes, in memory of their own; once for each batch.

        Any one thread may do it, in the order in which they were taken.
        """
        fields = zip(arrived.columns, self.spec.fields, self._dtypes, strict=True)
        arrays = tuple(land(column, field.landing, dtype) for column, field, dtype in fields)
        if arrived.last_of is not None:
            arrived.last_of.frames += 1
        return arrays

    def ack(self, following: Cursor) -> None:
        """The step that used every batch before this cursor is committed."""
        self._acked = following

    def close(self) -> None:
        """The run is over: nothing more is let in, and whoever pushes is told to stop."""
        self.seam.close()
        with self._lock:
            self._closed = True
            if self._push is not None:
                self._push.grants.close()

    def _refill(self, timeout: float) -> None:
        self._next.extend(self.seam.get(timeout))
        with self._lock:
            self._grant(self._window.taken(len(self._next), sum(arrived.wire_bytes for arrived in self._next)))

    def _first_grant(self, shared: SharedMemory | None) -> ingest_pb2.Grant:
        gate = self._gate
        batches, nbytes = self._window.reopen()
        grant = ingest_pb2.Grant(
            start=cursor_message(gate.expected), batches=batches, bytes=nbytes, history=gate.history
        )
        if gate.loader_state is not None:
            grant.loader_state.at.CopyFrom(cursor_message(gate.loader_state.at))
            grant.loader_state.state = gate.loader_state.state
        if shared is not None:
            grant.memory.CopyFrom(shared.offer())
        return grant

    def _require_now(self, push: Push) -> None:
        self._gate.require(push.lease)
        if push is not self._push:
            raise StaleLease(f"this push of stream {self.stream} is over; its worker pushes in another call")

    def _require_credit(self, push: Push, frame: Frame) -> None:
        if self._window.open <= 0:
            raise InvalidInput(f"worker {push.worker} sends batches without credit", where=str(frame.cursor))

    def _require_good(self, push: Push, frame: Frame) -> None:
        if frame.bad and not self._tolerant:
            bad = frame.bad[0]
            raise InvalidInput(
                f"worker {push.worker} could not read row {bad.row}: {bad.why}",
                where=f"{bad.where}, {frame.cursor}",
                fix="mend the data, or pass over such samples with runconfig.bad_samples: skip",
            )

    def _grant(self, due: tuple[int, int] | None) -> None:
        """Give credit back to the push of now. Called with the lock, so that none goes to one that just entered."""
        push = self._push
        if due is None or push is None:
            return
        grant = ingest_pb2.Grant(
            batches=due[0], bytes=due[1], acked=cursor_message(self._acked), landed=push.landings.frames
        )
        try:
            push.grants.put(grant, timeout=0)
        except SeamClosed:
            log.debug("stream %d: the push of %s has ended and needs no credit", self.stream, push.worker)
        except TimeoutError:
            log.warning("stream %d: worker %s reads no grants; its push is ended", self.stream, push.worker)
            push.grants.close()
