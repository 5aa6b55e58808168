"""A worker: registers at the coordinator, hosts the streams it is assigned, and says what it waits for."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import grpc

from streamer.assigned import AssignedInput, open_input
from streamer.hosting import Host
from streamer.transport import Pusher
from wire.channel import Security, address_of, connect
from wire.errors import Fault, InvalidInput, Stopped, Unreachable
from wire.status import problem_of, raised
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, ingest_pb2, run_pb2

log = logging.getLogger("streamer")

JOIN_SECONDS = 3.0
COORDINATOR_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What `streamer worker` was started with. data: the user's loader, named on this worker and never sent."""

    coordinator: str
    shard: int | None = None
    data: str | None = None
    params: str | None = None
    data_root: Path | None = None
    session: str = ""
    exit_with_parent: bool = False


def main(options: WorkerOptions) -> int:
    """Work until told to leave or stopped by a signal. Raises Fault when the coordinator cannot be reached."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    worker = Worker(options)

    def leave(_signum: int, _frame: FrameType | None) -> None:
        worker.leave()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    if options.exit_with_parent:
        threading.Thread(target=_leave_at_eof, args=(worker,), daemon=True).start()
    return worker.run()


def _leave_at_eof(worker: Worker) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass  # nobody writes; what counts is the end
    worker.leave()


class Worker:
    """The shell around assignments: it makes the hosted streams equal to what the coordinator says."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._security = Security.from_environment()
        self._address = address_of(options.coordinator)
        self._channel = connect(self._address, self._security)
        self._coordinator = coordinator_pb2_grpc.CoordinatorStub(self._channel)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._hosts: dict[int, Host] = {}
        self._input: AssignedInput | None = None
        self._ingest: tuple[str, grpc.Channel] | None = None
        self._leaving = threading.Event()
        self._watch: grpc.Call | None = None
        self._id = coordinator_pb2.RegisterReply()
        self._notice = ""

    def leave(self) -> None:
        """Stop working, from any thread or a signal handler."""
        self._leaving.set()
        if self._watch is not None:
            self._watch.cancel()

    def run(self) -> int:
        self._id = self._register()
        log.info("worker %s registered at %s", self._name, self._address)
        beats = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beats.start()
        try:
            self._obey()
        finally:
            self._leaving.set()
            self._let_go(list(self._hosts.values()))
            self._channel.close()
        return 0

    def _register(self) -> coordinator_pb2.RegisterReply:
        request = coordinator_pb2.RegisterRequest(
            name=self._name, session=self._options.session, has_loader=self._options.data is not None
        )
        if self._options.shard is not None:
            request.shard = self._options.shard
        log.info("connecting to the coordinator at %s", self._address)
        try:
            reply: coordinator_pb2.RegisterReply = self._coordinator.Register(
                request, timeout=COORDINATOR_PATIENCE, wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise self._unreachable(error) from error
        return reply

    def _unreachable(self, error: grpc.RpcError) -> Fault:
        fault = raised(error, self._address)
        if isinstance(fault, Unreachable):
            return Unreachable(
                f"no coordinator answered at {self._address} within {COORDINATOR_PATIENCE:g} s",
                fix="start one with `wafer_sim serve`, or give --coordinator HOST:PORT",
            )
        return fault

    def _obey(self) -> None:
        watch = self._coordinator.Watch(
            coordinator_pb2.WatchRequest(worker_id=self._id.worker_id, incarnation=self._id.incarnation)
        )
        self._watch = watch
        try:
            for assignment in self._assignments(watch):
                self._reconcile(assignment)
                if assignment.leave:
                    log.info("the session is over; leaving")
                    return
        except grpc.RpcError as error:
            if not self._leaving.is_set():
                raise raised(error, self._address) from error
        if not self._leaving.is_set():
            raise Stopped("the coordinator ended the watch", where=self._address)

    def _assignments(self, watch: Iterator[coordinator_pb2.Assignment]) -> Iterator[coordinator_pb2.Assignment]:
        for assignment in watch:
            if self._leaving.is_set():
                return
            if assignment.notice != self._notice:
                self._notice = assignment.notice
                log.info("%s", assignment.notice)
            yield assignment

    def _reconcile(self, assignment: coordinator_pb2.Assignment) -> None:
        wanted = {lease.stream: lease.lease for lease in assignment.streams}
        if self._input is not None and self._input.run_id != assignment.run_id:
            self._let_go(list(self._hosts.values()))
            self._input = None
        self._let_go([host for stream, host in self._hosts.items() if wanted.get(stream) != host.lease])
        fresh = {stream: lease for stream, lease in wanted.items() if stream not in self._hosts}
        if fresh and self._ready(assignment, min(fresh)):
            for stream, lease in fresh.items():
                self._host(assignment, stream, lease)

    def _ready(self, assignment: coordinator_pb2.Assignment, stream: int) -> bool:
        if self._input is not None:
            return True
        try:
            self._input = open_input(assignment, self._options.data, self._options.params, self._options.data_root)
        except Exception as error:  # noqa: BLE001 - a user's loader may raise anything; the run is told
            self._failed(assignment.run_id, stream, error)
            return False
        log.info("reading %s", self._input.describe())
        return True

    def _host(self, assignment: coordinator_pb2.Assignment, stream: int, lease: int) -> None:
        hosted = self._input
        if hosted is None:
            return
        hello = ingest_pb2.PushHello(
            run_id=assignment.run_id,
            stream=stream,
            lease=lease,
            worker_id=self._name,
            element_spec=assignment.data.element_spec,
        )
        channel = self._ingest_channel(assignment.ingest_address)
        self._hosts[stream] = Host(
            stream,
            lease,
            lambda: Pusher(channel, assignment.ingest_address, hello, hosted.encoder, hosted.open),
            lambda failed, error: self._failed(assignment.run_id, failed, error),
        )
        self._hosts[stream].start()

    def _ingest_channel(self, address: str) -> grpc.Channel:
        if self._ingest is None or self._ingest[0] != address:
            if self._ingest is not None:
                self._ingest[1].close()
            self._ingest = address, connect(address, self._security)
        return self._ingest[1]

    def _let_go(self, hosts: list[Host]) -> None:
        for host in hosts:
            host.stop()
        for host in hosts:
            if not host.join(JOIN_SECONDS):
                log.warning("stream %d did not end within %g s", host.stream, JOIN_SECONDS)
            self._hosts.pop(host.stream, None)

    def _failed(self, run_id: str, stream: int, error: BaseException) -> None:
        fault = error if isinstance(error, Fault) else _described(error)
        log.error("stream %d cannot go on: %s", stream, fault)
        report = coordinator_pb2.ReportFailureRequest(
            worker_id=self._id.worker_id,
            incarnation=self._id.incarnation,
            run_id=run_id,
            stream=stream,
            problem=problem_of(fault),
        )
        self._tell(lambda: self._coordinator.ReportFailure(report, timeout=JOIN_SECONDS))

    def _beat(self) -> None:
        while not self._leaving.wait(self._id.heartbeat_seconds or 1.0):
            seams = [
                run_pb2.Seam(
                    name=reading.name.split("/")[0],
                    items=reading.items,
                    put_wait=reading.put_wait,
                    get_wait=reading.get_wait,
                    occupancy=reading.occupancy,
                    depth=reading.depth,
                    capacity=reading.capacity,
                    worker=self._name,
                    stream=host.stream,
                )
                for host in list(self._hosts.values())
                for reading in host.readings()
            ]
            beat = coordinator_pb2.HeartbeatRequest(
                worker_id=self._id.worker_id, incarnation=self._id.incarnation, seams=seams
            )
            self._tell(lambda beat=beat: self._coordinator.Heartbeat(beat, timeout=JOIN_SECONDS))  # type: ignore[misc]

    def _tell(self, call: Callable[[], object]) -> None:
        try:
            call()
        except grpc.RpcError as error:
            if not self._leaving.is_set():
                log.warning("the coordinator did not take a report: %s", raised(error, self._address))


def _described(error: BaseException) -> InvalidInput:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else ""
    return InvalidInput(f"{type(error).__name__}: {error}", where=where)
