"""A worker's line to its coordinator: it registers, listens, sends heartbeats and reports failures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import grpc

from streamer.user_code import blame
from wire.channel import Security, connect
from wire.core_use import CoreMeter
from wire.errors import Fault, InvalidInput, Refused, Stopped, Unreachable
from wire.status import problem_of, raised
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2

log = logging.getLogger("streamer")

REGISTER_SECONDS = 15.0
REPORT_SECONDS = 3.0
CUT_OFF_PAUSE_SECONDS = 0.1
"""Before a registration is tried again that was cut off."""

Seams = Callable[[], Sequence[run_pb2.Seam]]
Lines = Callable[[], Sequence[str]]


class CoordinatorGone(Unreachable):
    """The coordinator does not answer any more; another one may take its place."""


class Dismissed(Refused):
    """The coordinator is there and has given this worker up; it may register again."""


class CoordinatorLine:
    """One worker at one address, registered as often as it takes. `leave` ends what waits here, from any thread."""

    def __init__(self, address: str, security: Security) -> None:
        self._address = address
        self._channel = connect(address, security)
        self._coordinator = coordinator_pb2_grpc.CoordinatorStub(self._channel)
        self._id = coordinator_pb2.RegisterReply()
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._call: grpc.Call | None = None
        self._beats: threading.Thread | None = None
        self._watching = False
        self._cores = CoreMeter()

    @property
    def left(self) -> bool:
        return self._leaving.is_set()

    def leave(self) -> None:
        """Nothing is waited for any more."""
        self._leaving.set()
        with self._lock:
            call = self._call
        if call is not None:
            call.cancel()

    def close(self) -> None:
        """Leave, and let go of the channel once the last heartbeat is through."""
        self.leave()
        if self._beats is not None:
            self._beats.join(REPORT_SECONDS)
        self._channel.close()

    def pause(self, seconds: float) -> bool:
        """Wait, and whether the worker was told to leave meanwhile or before."""
        return self._leaving.wait(seconds)

    def register(self, request: coordinator_pb2.RegisterRequest, patience: float = REGISTER_SECONDS) -> None:
        """Returns also when told to leave meanwhile. Raises Unreachable where nobody answers for `patience` seconds.

        Also raises Refused, Exhausted and Stopped, which are the coordinator's words. One that dies before its answer
        is through has not answered.
        """
        end = time.monotonic() + patience
        while not self.left:
            try:
                self._id = self._asked(request, max(end - time.monotonic(), 0.0))
                return
            except (grpc.FutureCancelledError, grpc.RpcError) as error:
                fault = self._cut_short(error)
                if fault is not None and not self.left:
                    raise fault from error
                if time.monotonic() >= end and not self.left:
                    raise self._gone(patience) from error
            self.pause(CUT_OFF_PAUSE_SECONDS)

    def assignments(self) -> Iterator[coordinator_pb2.Assignment]:
        """What this worker is told, until it leaves.

        Raises CoordinatorGone, Dismissed, and Stopped where the coordinator says that it shuts down.
        """
        watch = self._coordinator.Watch(
            coordinator_pb2.WatchRequest(worker_id=self._id.worker_id, incarnation=self._id.incarnation)
        )
        self._hold(watch)
        self._watching = True
        try:
            for assignment in watch:
                if self.left:
                    return
                yield assignment
        except grpc.RpcError as error:
            if not self.left:
                raise self._ended(error) from error
        finally:
            self._watching = False
        if not self.left:
            raise Dismissed("the coordinator ended the watch", where=self._address)

    def start_beating(self, seams: Seams, lines: Lines = tuple) -> None:
        """Send a sign of life with the latest readings at the coordinator's pace, until `leave`.

        lines: what was said since the last one.
        """
        self._beats = threading.Thread(target=self._beat, args=(seams, lines), name="heartbeat", daemon=True)
        self._beats.start()

    def failed(self, run_id: str, stream: int, error: BaseException) -> None:
        """Report that a stream cannot go on, and why."""
        fault = error if isinstance(error, Fault) else _described(error)
        log.error("stream %d cannot go on: %s", stream, fault)
        report = coordinator_pb2.ReportFailureRequest(
            worker_id=self._id.worker_id,
            incarnation=self._id.incarnation,
            run_id=run_id,
            stream=stream,
            problem=problem_of(fault),
        )
        self._tell(lambda: self._coordinator.ReportFailure(report, timeout=REPORT_SECONDS))

    def _asked(self, request: coordinator_pb2.RegisterRequest, seconds: float) -> coordinator_pb2.RegisterReply:
        call = self._coordinator.Register.future(request, timeout=seconds, wait_for_ready=True)
        self._hold(call)
        reply: coordinator_pb2.RegisterReply = call.result()
        return reply

    def _hold(self, call: grpc.Call) -> None:
        with self._lock:
            self._call = call
        if self.left:
            call.cancel()

    def _beat(self, seams: Seams, lines: Lines) -> None:
        while not self._leaving.wait(self._id.heartbeat_seconds or 1.0):
            if self._watching:
                self._beat_once(seams, lines)

    def _beat_once(self, seams: Seams, lines: Lines) -> None:
        mine = self._id
        beat = coordinator_pb2.HeartbeatRequest(
            worker_id=mine.worker_id,
            incarnation=mine.incarnation,
            seams=seams(),
            cores=self._cores.reading(),
            lines=lines(),
        )
        try:
            self._coordinator.Heartbeat(beat, timeout=mine.lost_after_seconds / 2 or REPORT_SECONDS)
        except grpc.RpcError as error:
            # Where that matters the watch ends too, and says so; this is only the first to notice.
            log.debug("a heartbeat was not taken: %s", raised(error, self._address))

    def _tell(self, call: Callable[[], object]) -> None:
        try:
            call()
        except grpc.RpcError as error:
            if not self.left:
                log.warning("the coordinator did not take a report: %s", raised(error, self._address))

    def _cut_short(self, error: Exception) -> Fault | None:
        """What the coordinator said, where it said something."""
        fault = raised(error, self._address) if isinstance(error, grpc.RpcError) else None
        return None if fault is None or self._cut_off(fault) else fault

    def _gone(self, patience: float) -> CoordinatorGone:
        return CoordinatorGone(
            f"no coordinator answered at {self._address} within {patience:g} s",
            fix="start one with `wafer_sim serve`, or give --coordinator HOST:PORT",
        )

    def _ended(self, error: grpc.RpcError) -> Fault:
        fault = raised(error, self._address)
        if self._cut_off(fault):
            fix = "start `wafer_sim serve` again, and then this worker"
            return CoordinatorGone(f"the coordinator at {self._address} is gone", fix=fix)
        return Dismissed(fault.what, where=fault.where, fix=fault.fix) if isinstance(fault, Refused) else fault

    def _cut_off(self, fault: Fault) -> bool:
        """Whether nobody was there to say more than gRPC does."""
        return isinstance(fault, Unreachable) or (isinstance(fault, Stopped) and fault.where == self._address)


def _described(error: BaseException) -> InvalidInput:
    return InvalidInput(f"{type(error).__name__}: {error}", where=blame(error))
