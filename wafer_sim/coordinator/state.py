"""What the coordinator knows. Only machine.py changes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from wafer_sim.coordinator.journal import Journal
from wire.v1 import coordinator_pb2, run_pb2

QUEUED, STARTING, RUNNING, FINISHED, FAILED = "queued", "starting", "running", "finished", "failed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the control plane. Times in seconds.

    attach_seconds: from the start of a wafer process to its first word.
    stop_seconds: from an order to stop to SIGTERM; leave_seconds: from a run's end to SIGTERM;
    shutdown_seconds: the same when the coordinator ends; grace_seconds: from SIGTERM to SIGKILL.
    chief_seconds: for how long a chief that has submitted nothing stays chief.
    """

    heartbeat_seconds: float = 1.0
    lost_after_seconds: float = 5.0
    attach_seconds: float = 120.0
    stop_seconds: float = 10.0
    leave_seconds: float = 10.0
    shutdown_seconds: float = 1.5
    grace_seconds: float = 4.0
    shutdown_grace_seconds: float = 1.5
    chief_seconds: float = 600.0
    workers: int = 400
    queued: int = 100
    chiefs: int = 1000
    ended_kept: int = 20
    progress_kept: int = 256


@dataclass(slots=True)
class WorkerState:
    """A worker that registered and was not given up. shard: the only stream it hosts. seen: its last sign of life."""

    worker_id: str
    name: str
    incarnation: int
    shard: int | None
    session: str
    has_loader: bool
    seen: float
    seams: tuple[run_pb2.Seam, ...] = ()
    told: coordinator_pb2.Assignment | None = None


@dataclass(slots=True)
class RunState:
    """A run, from its submission on.

    hosts: stream -> worker_id; leases: stream -> the highest lease given. incarnation: of its wafer process.
    place: jobs ahead of it. phase: the wafer's last word; waiting: why nothing can come, or "".
    attach_by, terminate_at, kill_at: when patience with its wafer process ends; None where nothing is awaited.
    """

    run_id: str
    spec: run_pb2.RunSpec
    journal: Journal
    state: str = QUEUED
    place: int = 0
    incarnation: int = 0
    ingest_address: str = ""
    hosts: dict[int, str] = field(default_factory=dict)
    leases: dict[int, int] = field(default_factory=dict)
    progress: run_pb2.Progress | None = None
    problem: run_pb2.Problem | None = None
    seams: tuple[run_pb2.Seam, ...] = ()
    phase: str = ""
    waiting: str = ""
    cancelled: bool = False
    attach_by: float | None = None
    terminate_at: float | None = None
    kill_at: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in (FINISHED, FAILED)


@dataclass(slots=True)
class State:
    """All of it.

    workers, runs: in the order in which they came. queue: the runs that wait, in order. active: the run that has,
    or had, the wafer; it stays until its wafer process is gone.
    """

    workers: dict[str, WorkerState] = field(default_factory=dict)
    runs: dict[str, RunState] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    active: str | None = None
    closing: bool = False

    @property
    def active_run(self) -> RunState | None:
        """The run that has the wafer and has not ended."""
        run = self.runs[self.active] if self.active is not None else None
        return None if run is None or run.ended else run

    def live_runs_of(self, session: str) -> list[RunState]:
        """The runs of a session that have not ended."""
        return [run for run in self.runs.values() if run.spec.session == session and not run.ended]

    def session_over(self, session: str) -> bool:
        """Whether a session had a run and has none left."""
        runs = [run for run in self.runs.values() if run.spec.session == session]
        return bool(session and runs) and all(run.ended for run in runs)
