"""Reconciling: what a worker hosts is made equal to what its coordinator says."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import grpc

from streamer.assigned import AssignedInput
from streamer.hosting import Host
from streamer.self_tuning import SelfTuning
from streamer.transport import Pusher
from wire.channel import Security, connect
from wire.readings import seam_message
from wire.seam import SeamReading
from wire.shared_memory import machine
from wire.v1 import coordinator_pb2, ingest_pb2, run_pb2

log = logging.getLogger("streamer")

JOIN_SECONDS = 3.0

OpenInput = Callable[[coordinator_pb2.Assignment], AssignedInput]
Failed = Callable[[str, int, BaseException], None]
"""Called with (run_id, stream, error) when a stream cannot go on; from the stream's own thread, too."""


class Hosts:
    """The streams that a worker hosts, all of one run at one wafer process.

    opened: opens what a run reads, once a run, with user code in it; it may raise anything.
    """

    def __init__(self, worker: str, security: Security, opened: OpenInput, failed: Failed) -> None:
        self._worker = worker
        self._security = security
        self._open = opened
        self._failed = failed
        self._run = ("", "")
        self._input: AssignedInput | None = None
        self._tuning: SelfTuning | None = None
        self._channel: grpc.Channel | None = None
        self._hosts: dict[int, Host] = {}

    def reconcile(self, assignment: coordinator_pb2.Assignment) -> None:
        """Host these streams under these leases, and no others. What fails is told, not raised."""
        if self._run != (assignment.run_id, assignment.ingest_address):
            self.close()
            self._run = assignment.run_id, assignment.ingest_address
        wanted = {lease.stream: lease.lease for lease in assignment.streams}
        self._let_go([host for stream, host in self._hosts.items() if wanted.get(stream) != host.lease])
        fresh = {stream: lease for stream, lease in wanted.items() if stream not in self._hosts}
        if not fresh:
            return
        opened = self._opened(assignment, min(fresh))
        if opened is not None:
            for stream, lease in fresh.items():
                self._host(assignment, opened, stream, lease)

    def close(self) -> None:
        """Host nothing."""
        self._let_go(list(self._hosts.values()))
        self._input = self._tuning = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def seams(self) -> list[run_pb2.Seam]:
        """The latest readings of every hosted stream; from any thread."""
        return [seam_message(each, self._worker, host.stream) for host, readings in self._read() for each in readings]

    def tuned_seams(self) -> list[run_pb2.Seam]:
        """As `seams`, and the streams are tuned by them; from one thread, now and then."""
        tuning, read = self._tuning, self._read()
        if tuning is not None:
            tuning.tune(read)
        return [seam_message(each, self._worker, host.stream) for host, readings in read for each in readings]

    def _read(self) -> list[tuple[Host, list[SeamReading]]]:
        return [(host, host.readings()) for host in list(self._hosts.values())]

    def _opened(self, assignment: coordinator_pb2.Assignment, stream: int) -> AssignedInput | None:
        if self._input is not None:
            return self._input
        try:
            self._input = self._open(assignment)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's loader may raise anything; the run is told
            self._failed(assignment.run_id, stream, error)
            return None
        tuning = self._input.tuning
        self._tuning = SelfTuning(self._input.encoder, tuning) if tuning is not None else None
        log.info("reading %s", self._input.describe())
        return self._input

    def _host(self, assignment: coordinator_pb2.Assignment, opened: AssignedInput, stream: int, lease: int) -> None:
        hello = ingest_pb2.PushHello(
            run_id=assignment.run_id,
            stream=stream,
            lease=lease,
            worker_id=self._worker,
            element_spec=assignment.data.element_spec,
            machine=machine(),
        )
        if self._channel is None:
            self._channel = connect(assignment.ingest_address, self._security)
        channel = self._channel
        self._hosts[stream] = Host(
            stream,
            lease,
            lambda: Pusher(channel, assignment.ingest_address, hello, opened.encoder, opened.open),
            lambda failed, error: self._failed(assignment.run_id, failed, error),
        )
        self._hosts[stream].start()

    def _let_go(self, hosts: Sequence[Host]) -> None:
        for host in hosts:
            host.stop()
        until = time.monotonic() + JOIN_SECONDS
        for host in hosts:
            if not host.join(max(0.0, until - time.monotonic())):
                log.warning("stream %d did not end within %g s", host.stream, JOIN_SECONDS)
            self._hosts.pop(host.stream, None)
