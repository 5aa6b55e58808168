"""Following a run to its end: what it says is shown, Ctrl-C stops it with a checkpoint."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from clients import report
from clients.errors import Interrupted
from clients.job import EVAL, Job
from clients.launcher import LocalWorkers
from clients.progress import ProgressView
from clients.session import Session
from wire.errors import Fault, Stopped, Unreachable
from wire.observed import Arrays, observed_from
from wire.status import fault_of
from wire.v1 import run_pb2

log = logging.getLogger("clients")

STOP_SECONDS = 4.0
"""How long a run may take to stop after Ctrl-C; with the end of the workers that makes five."""


def follow(  # noqa: PLR0913, PLR0917 - who, what, and where it is
    job: Job, session: Session, run_id: str, workers: LocalWorkers, batch_size: int, attached_at: int = 0
) -> run_pb2.Finished:
    """Start the workers, follow the run to its end, end the workers.

    batch_size: samples of a whole step. attached_at: the step at which a run that was there already is; what it said
    up to there is not shown again. Raises the Fault that ended the run, Interrupted after Ctrl-C, Stopped where
    somebody else stopped it.
    """
    with ExitStack() as stack:
        stack.enter_context(workers)
        view = stack.enter_context(ProgressView(job.mode, job.config.log_steps, batch_size, job.wording))
        follower = _Follower(session, run_id, view, workers, attached_at)
        follower.on_saved, follower.on_observed, follower.on_progress = job.on_saved, job.on_observed, job.on_progress
        if job.on_begun is not None:
            job.on_begun(follower.interrupt)
        if job.config.save_losses and job.mode != EVAL:
            follower.summaries = stack.enter_context(report.Summaries(job.model_dir, job.mode))
        try:
            follower.start()
            workers.start()
            finished = follower.to_the_end()
        except KeyboardInterrupt:
            raise _interrupted(job, follower) from None
    if finished.stopped:
        what = f"the run was stopped at step {finished.progress.step:,}, and not by this command"
        raise Stopped(what, where=str(job.model_dir), fix=_how_to_go_on(job))
    return finished


class _Follower:
    """Shows each event of a run once.

    A wafer process that was started again goes back to its last checkpoint and says again how far it is. That is
    shown; but of each step only the first word is recorded, since the second one is bit for bit the same.
    """

    def __init__(
        self, session: Session, run_id: str, view: ProgressView, workers: LocalWorkers, attached_at: int
    ) -> None:
        self._session, self.run_id, self._view, self._workers = session, run_id, view, workers
        self._known_to, self._recorded, self._observed = attached_at, 0, 0
        self._events: queue.SimpleQueue[run_pb2.RunEvent | Fault | KeyboardInterrupt] = queue.SimpleQueue()
        self.summaries: report.Summaries | None = None
        self.on_saved: Callable[[int], None] | None = None
        self.on_observed: Callable[[int, Arrays], None] | None = None
        self.on_progress: Callable[[run_pb2.Progress], None] | None = None

    def interrupt(self) -> None:
        """Let the run be stopped as by Ctrl-C, from any thread."""
        self._events.put(KeyboardInterrupt())

    def start(self) -> None:
        """Listen in a thread: a Ctrl-C in the middle of gRPC's own code may leave one of its locks taken for ever."""
        threading.Thread(target=self._listen, name="follow", daemon=True).start()

    def _listen(self) -> None:
        try:
            for event in self._session.follow(self.run_id):
                self._events.put(event)
            self._events.put(Stopped("the coordinator ended the run without a word", where=self._session.address))
        except Fault as fault:
            self._events.put(fault)

    def to_the_end(self, deadline: float | None = None) -> run_pb2.Finished:
        """Raises the Fault that ended the run, and Unreachable where it did not end by the deadline (monotonic)."""
        while True:
            event = self._next(deadline)
            if event.HasField("failed"):
                raise fault_of(event.failed)
            if event.HasField("finished"):
                self._record(event.finished.progress)
                return event.finished
            self._show(event)

    def _next(self, deadline: float | None) -> run_pb2.RunEvent:
        try:
            event = self._events.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Unreachable(f"it did not stop within {STOP_SECONDS:g} s", where=self._session.address) from None
        if isinstance(event, Fault | KeyboardInterrupt):
            raise event
        return event

    def stop(self) -> run_pb2.Finished:
        """Ask the run to stop and see it end."""
        self._view.phase("stopping after the step in hand (Ctrl-C again: leave at once)")
        deadline = time.monotonic() + STOP_SECONDS
        self._session.cancel(self.run_id)
        return self.to_the_end(deadline)

    def _show(self, event: run_pb2.RunEvent) -> None:
        match event.WhichOneof("event"):
            case "queued":
                self._view.queued(event.queued)
            case "phase":
                self._view.phase(event.phase)
            case "progress":
                self._advance(event.progress)
            case "saved":
                self._view.saved(event.saved)
                if self.on_saved is not None:
                    self.on_saved(event.saved.step)
            case "late":
                self._view.late(event.late)
            case "gone":
                self._view.gone(event.gone)
            case "passed":
                self._view.passed(event.passed)
            case "observed":
                self._observe(event.observed)
            case kind:
                log.debug("an event of a kind that this version does not know: %s", kind)

    def _advance(self, progress: run_pb2.Progress) -> None:
        if progress.step > self._known_to:
            self._known_to = 0
            self._view.progress(progress)
        if self.on_progress is not None:
            self.on_progress(progress)
        self._workers.hear(progress.seconds, progress.stall_seconds)
        self._record(progress)

    def _observe(self, observed: run_pb2.Observed) -> None:
        if self.on_observed is not None and observed.step > self._observed:
            self._observed = observed.step
            self.on_observed(observed.step, observed_from(observed))

    def _record(self, progress: run_pb2.Progress) -> None:
        if self.summaries is not None and progress.step > self._recorded:
            self._recorded = progress.step
            self.summaries.add(progress)


def _interrupted(job: Job, follower: _Follower) -> Interrupted:
    try:
        finished = follower.stop()
    except Fault as fault:
        what = f"interrupted, but the run did not say how it ended: {fault.what}"
        fix = f"`wafer_sim status` says whether it goes on, `wafer_sim cancel {follower.run_id}` ends it"
        return Interrupted(what, where=str(job.model_dir), fix=fix)
    if job.mode == EVAL:
        return Interrupted(f"interrupted after {finished.progress.step:,} batches; an evaluation changes nothing")
    step = finished.progress.step
    return Interrupted(
        f"interrupted at step {step:,}, checkpoint saved" if step else "interrupted before the first step",
        fix=_how_to_go_on(job),
    )


def _how_to_go_on(job: Job) -> str:
    if job.config.checkpoint_path and job.mode != EVAL:
        return "to go on, run the same command without --checkpoint_path"
    return "to go on, run the same command again"
