"""What the coordinator knows. Only machine.py changes it, with its two hands: crew.py and runs.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from wafer_sim.coordinator.history import History
from wafer_sim.coordinator.leaving import Leaving
from wire.v1 import run_pb2

QUEUED, STARTING, RUNNING, FINISHED, FAILED = "queued", "starting", "running", "finished", "failed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the control plane. Times in seconds.

    attach_seconds: from the start of a wafer process to its first word.
    stop_seconds: from an order to stop to SIGTERM; leave_seconds: from a run's end to SIGTERM;
    shutdown_seconds: the same when the coordinator ends; grace_seconds: from SIGTERM to SIGKILL.
    deaths: of wafer processes of a run, without anything gained in between, before the run fails.
    late_seconds: for how long a late worker has to send heartbeats steadily before it counts as any other.
    chief_seconds: for how long a chief that follows no run stays chief without a word; succession_seconds: for how
    long one whose call broke off is waited for, before another task of its job takes its place by itself.
    events_kept: of each kind of event that does not last, per run. lines: the last ones kept of each worker.
    fallen: the tasks kept, and the sessions that have such. meetings: of tasks, that are kept.
    """

    heartbeat_seconds: float = 0.5
    lost_after_seconds: float = 2.5
    attach_seconds: float = 120.0
    stop_seconds: float = 10.0
    leave_seconds: float = 10.0
    shutdown_seconds: float = 1.5
    grace_seconds: float = 4.0
    shutdown_grace_seconds: float = 1.5
    deaths: int = 5
    late_seconds: float = 5.0
    chief_seconds: float = 6.0
    succession_seconds: float = 3.0
    workers: int = 1200
    queued: int = 100
    chiefs: int = 1000
    ended_kept: int = 20
    events_kept: int = 256
    lines: int = 20
    fallen: int = 16
    meetings: int = 256


class Work(NamedTuple):
    """What a worker has to do, short enough to compare. streams: (stream, lease) in order. notice: why none."""

    run_id: str = ""
    wafer: int = 0
    streams: tuple[tuple[int, int], ...] = ()
    notice: str = ""
    leave: bool = False


class Holding(NamedTuple):
    """That a worker hosts a stream, under a lease, since a time."""

    worker_id: str
    lease: int
    since: float


@dataclass(slots=True)
class WorkerState:
    """A worker that registered and was not given up. shard: the only stream it hosts. seen: its last sign of life.

    streams: (stream, lease) of what it hosts, in order. late: the streams that it was late with and lost for it.
    lines: the last that it said of warnings and errors.
    steady_since: since when it was never silent for longer than `hosting.steady_gap`; a lateness starts it anew.
    """

    worker_id: str
    name: str
    incarnation: int
    shard: int | None
    session: str
    has_loader: bool
    seen: float
    seams: tuple[run_pb2.Seam, ...] = ()
    streams: tuple[tuple[int, int], ...] = ()
    late: frozenset[int] = frozenset()
    steady_since: float = 0.0
    told: Work | None = None
    lines: tuple[str, ...] = ()


@dataclass(slots=True)
class RunState:
    """A run, from its submission on.

    hosts: who has which stream. incarnation: of its latest wafer process. former: the sessions that had it before.
    place: jobs ahead of it. phase: the wafer's last word; waiting: why nothing can come, or "".
    saved: its latest checkpoint; furthest: the highest step it has been at; deaths: of its wafer processes since one
    of the two rose. attach_by: when patience for its wafer process's first word ends; None where none is awaited.
    fate: why its wafer process has to go, before it is gone.
    """

    run_id: str
    spec: run_pb2.RunSpec
    history: History
    state: str = QUEUED
    place: int = 0
    incarnation: int = 0
    ingest_address: str = ""
    hosts: dict[int, Holding] = field(default_factory=dict)
    former: set[str] = field(default_factory=set)
    progress: run_pb2.Progress | None = None
    saved: run_pb2.Saved | None = None
    furthest: int = 0
    deaths: int = 0
    problem: run_pb2.Problem | None = None
    seams: tuple[run_pb2.Seam, ...] = ()
    phase: str = ""
    waiting: str = ""
    cancelled: bool = False
    attach_by: float | None = None
    fate: str = ""
    leaving: Leaving = field(default_factory=Leaving)

    @property
    def ended(self) -> bool:
        return self.state in (FINISHED, FAILED)

    @property
    def chief(self) -> str:
        """Who follows it."""
        return self.spec.chief or self.spec.session


@dataclass(slots=True)
class State:
    """All of it.

    workers, runs: in the order in which they came. queue: the runs that wait, in order. active: the run that has,
    or had, the wafer; it stays until its wafer process is gone for good. fallen: by session, the tasks that ended
    before there was a run whose chief could be told.
    """

    workers: dict[str, WorkerState] = field(default_factory=dict)
    runs: dict[str, RunState] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    fallen: dict[str, list[run_pb2.WorkerGone]] = field(default_factory=dict)
    active: str | None = None
    closing: bool = False

    @property
    def active_run(self) -> RunState | None:
        """The run that has the wafer and has not ended."""
        run = self.runs[self.active] if self.active is not None else None
        return None if run is None or run.ended else run

    @property
    def hosted_run(self) -> RunState | None:
        """The run whose streams can be hosted now."""
        run = self.active_run
        return run if run is not None and run.state == RUNNING else None

    def live_sessions(self) -> dict[str, int]:
        """session -> how many jobs are ahead of the first of its runs that have not ended."""
        ahead: dict[str, int] = {}
        for run in self.runs.values():
            if not run.ended:
                ahead[run.spec.session] = min(run.place, ahead.get(run.spec.session, run.place))
        return ahead

    def past_sessions(self) -> dict[str, str]:
        """session -> why it is over, for those that had runs here and have none left."""
        live = self.live_sessions()
        over: dict[str, str] = {}
        for run in self.runs.values():
            over.update(dict.fromkeys(run.former, "another session has taken this one's job over"))
        for run in self.runs.values():
            over[run.spec.session] = "the job of this worker's session has ended"
        return {session: why for session, why in over.items() if session and session not in live}
