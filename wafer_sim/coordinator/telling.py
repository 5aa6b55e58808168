"""What a worker is told: the whole of its work, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wafer_sim.coordinator.assignment import eligible
from wafer_sim.coordinator.state import RUNNING, RunState, State, Work, WorkerState
from wire.v1 import coordinator_pb2

Assignment = coordinator_pb2.Assignment
_LISTED = 16


@dataclass(frozen=True, slots=True)
class Teller:
    """Knows each worker's work, in time that does not depend on how many streams or runs there are.

    live, over: see State.live_sessions and State.past_sessions.
    """

    state: State
    live: dict[str, int]
    over: dict[str, str]

    @classmethod
    def of(cls, state: State) -> Teller:
        return cls(state, state.live_sessions(), state.past_sessions())

    def work(self, worker: WorkerState) -> Work:
        """All that this worker has to do now."""
        if worker.session in self.over:
            return Work(notice=self.over[worker.session], leave=True)
        run = self.state.active_run
        if run is None:
            return Work(notice=self._idle(worker))
        if worker.streams:
            return Work(run.run_id, run.incarnation, worker.streams)
        return Work(notice=self._waiting(worker, run))

    def assignment(self, work: Work) -> Assignment:
        """The same, as it travels."""
        if not work.streams:
            return Assignment(notice=work.notice, leave=work.leave)
        run = self.state.runs[work.run_id]
        return Assignment(
            run_id=run.run_id,
            ingest_address=run.ingest_address,
            data=run.spec.data,
            mode=run.spec.mode,
            streams=[coordinator_pb2.StreamLease(stream=stream, lease=lease) for stream, lease in work.streams],
            notice=f"hosting {streams_text([stream for stream, _ in work.streams])}",
        )

    def _idle(self, worker: WorkerState) -> str:
        queued = worker.session and worker.session in self.live
        return "waiting: the job is queued" if queued else "waiting: no job at this coordinator yet"

    def _waiting(self, worker: WorkerState, run: RunState) -> str:
        if not eligible(worker.session, worker.has_loader, run.spec):
            return self._not_eligible(worker, run)
        streams = run.spec.data.streams
        if worker.shard is not None and worker.shard >= streams:
            return f"waiting: the job has {streams} streams, 0..{streams - 1}; this worker is for stream {worker.shard}"
        if run.state != RUNNING:
            return f"waiting: {run.phase}" if run.deaths else "waiting for the wafer to be programmed"
        if worker.late:
            return f"{streams_text(sorted(worker.late))} went to others, as this worker was late; standing by"
        if worker.shard is not None:
            holder = self.state.workers[run.hosts[worker.shard].worker_id].name
            return f"waiting: stream {worker.shard} is hosted by worker {holder}; this one stands by for it"
        return f"all {streams} streams are hosted by others; standing by"

    def _not_eligible(self, worker: WorkerState, run: RunState) -> str:
        if worker.session in ("", run.spec.session):
            return "waiting: the job's input is a user's own loader, and this worker was started without one (--data)"
        ahead = self.live.get(worker.session, 0)
        return (
            f"waiting: the job is queued, {ahead} ahead" if ahead else "waiting: the job of another session is running"
        )


def streams_text(streams: Sequence[int]) -> str:
    """As people write it: "stream 3", "streams 0, 2", and of very many the first ones and how many more."""
    shown = ", ".join(map(str, streams[:_LISTED]))
    more = f" and {len(streams) - _LISTED:,} more" if len(streams) > _LISTED else ""
    return f"stream{'s' if len(streams) != 1 else ''} {shown}{more}"
