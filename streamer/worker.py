"""A worker: registers at the coordinator, hosts the streams it is assigned, and says what it waits for."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from streamer.assigned import AssignedInput, assigned, open_input
from streamer.last_lines import LastLines
from streamer.patience import PATIENCE_SECONDS, Patience
from streamer.pipeline import Input
from streamer.reconciling import Hosts
from streamer.reporting import CoordinatorGone, CoordinatorLine, Dismissed
from wire.allocator import keep_freed_memory
from wire.channel import Security, address_of, seen_from
from wire.errors import Exhausted, Unreachable
from wire.leaving import leave_when_told
from wire.metrics import ADDRESS, serve_metrics
from wire.v1 import coordinator_pb2

log = logging.getLogger("streamer")

LEAVE_SECONDS = 4.5
TRY_SECONDS = 2.0
"""How long one try to register again may take."""


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
    metrics_port: int | None = None


Own = Callable[[int], Input]
"""A seed -> the input that this process makes itself."""

LINES = "%(asctime)s %(levelname)s %(message)s"
"""The form of a worker's log lines: whoever started it reads the level."""


def main(options: WorkerOptions, own: Own | None = None) -> int:
    """Work until told to leave or stopped by a signal. own: as a Worker has it.

    Raises Fault when the coordinator cannot be reached.
    """
    logging.basicConfig(level=logging.INFO, format=LINES, stream=sys.stderr)
    worker = Worker(options, own)
    leave_at_signals(worker, at_eof=options.exit_with_parent)
    return worker.run()


def leave_at_signals(worker: Worker, *, at_eof: bool = False) -> None:
    """Let a worker leave at SIGTERM and SIGINT, and, `at_eof`, with its parent. Called in the main thread."""

    def leave() -> None:
        worker.leave()
        threading.Event().wait(LEAVE_SECONDS)
        # Still here: a user's own code holds a thread. Nothing of ours needs it; the ingest knows the cursors.
        log.warning("the user's code did not end within %g s; left without it", LEAVE_SECONDS)
        os._exit(0)

    leave_when_told(leave, (signal.SIGTERM, signal.SIGINT), at_eof=at_eof)


def process_name() -> str:
    """How people know this process: "host:pid"."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Worker:
    """The shell around assignments: told by its coordinator what to host, it hosts that.

    A coordinator that is gone is waited for, and one that gave the worker up is told that it is there.
    own: makes the input of a run, for its seed, where the options do not say how.
    session_over: whether it was told to leave because its session has no run any more.
    """

    def __init__(self, options: WorkerOptions, own: Own | None = None) -> None:
        self._options = options
        self._own = own
        self._name = process_name()
        self._address = address_of(options.coordinator)
        security = Security.from_environment()
        self._line = CoordinatorLine(self._address, security)
        self._hosts = Hosts(self._name, security, self._input, self._line.failed)
        self._patience = Patience()
        self._lines = LastLines()
        self._notice = ""
        self.session_over = False

    def leave(self) -> None:
        """Stop working, from any thread."""
        self._line.leave()

    def run(self) -> int:
        """Work to the end; the exit code. Raises Unreachable, Refused or Stopped where the coordinator is gone."""
        keep_freed_memory()
        with self._metrics(), self._lines.listening():
            return self._serve()

    def _serve(self) -> int:
        log.info("connecting to the coordinator at %s", self._address)
        try:
            self._line.register(self._registration())
            self._line.start_beating(self._hosts.tuned_seams, self._lines.taken)
            while not self._line.left and (pause := self._work()) is not None:
                self._hosts.close()
                self._come_back(pause)
        finally:
            self._line.leave()
            self._hosts.close()
            self._line.close()
        return 0

    def _metrics(self) -> AbstractContextManager[object]:
        """What this worker measures, served meanwhile where that was asked for."""
        port = self._options.metrics_port
        if port is None:
            return nullcontext()
        from streamer.metrics import METRICS, samples

        server = serve_metrics(port, METRICS, lambda: samples(self._hosts.seams()))
        log.info("metrics at http://%s:%d/metrics", ADDRESS, server.port)
        return closing(server)

    def _work(self) -> float | None:
        """Work for as long as the coordinator lets us: after how long to register again; None where all is done."""
        self._patience.registered()
        log.info("worker %s registered at %s", self._name, self._address)
        try:
            self._obey()
            return None
        except CoordinatorGone as gone:
            log.warning("%s; hosting nothing, and waiting up to %g s for another one", gone.what, PATIENCE_SECONDS)
            return self._patience.after_silence(time.monotonic())
        except Dismissed as dismissed:
            log.warning("%s; registering again", dismissed.what)
            return self._patience.after_dismissal(time.monotonic())

    def _come_back(self, pause: float) -> None:
        """Register again, or be told to leave. Raises CoordinatorGone when patience is over."""
        while not self._line.pause(pause):
            try:
                self._line.register(self._registration(), TRY_SECONDS)
                return
            except (Unreachable, Exhausted) as error:
                pause = self._patience.after_silence(time.monotonic())
                if self._patience.over(time.monotonic()):
                    what = f"the coordinator at {self._address} has been gone for {PATIENCE_SECONDS:g} s"
                    raise CoordinatorGone(what, fix="start `wafer_sim serve` again, and then this worker") from error

    def _input(self, assignment: coordinator_pb2.Assignment) -> AssignedInput:
        if self._own is not None:
            return assigned(assignment, self._own(assignment.data.seed))
        return open_input(assignment, self._options.data, self._options.params, self._options.data_root)

    def _registration(self) -> coordinator_pb2.RegisterRequest:
        options = self._options
        request = coordinator_pb2.RegisterRequest(
            name=self._name,
            session=options.session,
            has_loader=options.data is not None or self._own is not None,
        )
        if options.shard is not None:
            request.shard = options.shard
        return request

    def _obey(self) -> None:
        for assignment in self._line.assignments():
            if assignment.notice != self._notice:
                self._notice = assignment.notice
                log.info("%s", assignment.notice)
            assignment.ingest_address = seen_from(assignment.ingest_address, self._address)
            self._hosts.reconcile(assignment)
            if assignment.leave:
                log.info("the session is over; leaving")
                self.session_over = True
                return
