"""What can happen to the coordinator. `now` is monotonic time in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from wire.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class WorkerRegistered:
    """A worker is there. worker_id: given by the shell, never used before. shard: the only stream it hosts.

    name: "host:pid"; one that is registered already under it is the same process, and is replaced.
    """

    now: float
    worker_id: str
    name: str
    shard: int | None = None
    session: str = ""
    has_loader: bool = False


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """A worker lives. seams: its latest readings; None where it only opened its watch. cores: of its machine.

    lines: what it has said of warnings and errors since its last beat.
    """

    now: float
    worker_id: str
    incarnation: int
    seams: tuple[run_pb2.Seam, ...] | None = None
    cores: run_pb2.Cores | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker's life line broke."""

    now: float
    worker_id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task of a session ended with an error. name: "host:pid". lines: the last that it said."""

    now: float
    name: str
    session: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailureReported:
    """A worker cannot go on with a stream."""

    now: float
    worker_id: str
    incarnation: int
    run_id: str
    stream: int
    problem: run_pb2.Problem


@dataclass(frozen=True, slots=True)
class RunSubmitted:
    """A run whose spec was admitted (admission.py). run_id: given by the shell, never used before."""

    now: float
    run_id: str
    spec: run_pb2.RunSpec


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Somebody wants a run to stop."""

    now: float
    run_id: str


@dataclass(frozen=True, slots=True)
class WaferAttached:
    """A wafer process is up; workers push to `ingest_address`."""

    now: float
    run_id: str
    incarnation: int
    ingest_address: str


@dataclass(frozen=True, slots=True)
class WaferSaid:
    """A run event of a wafer process; its number is given here, not there."""

    now: float
    run_id: str
    incarnation: int
    event: run_pb2.RunEvent


@dataclass(frozen=True, slots=True)
class WaferDetached:
    """The line to a wafer process ended; as a rule its exit follows."""

    now: float
    run_id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class WaferDied:
    """A wafer process has exited. exit_code: negative for a signal. last_lines: the end of what it wrote."""

    now: float
    run_id: str
    incarnation: int
    exit_code: int
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ElectAsked:
    """A candidate wants to be chief of a job; a successor only in place of one that is gone."""

    now: float
    job: str
    candidate: str
    successor: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """A task of a session has come to where all its tasks meet: for the so-and-so-many-th time under this tag."""

    now: float
    session: str
    tag: str
    time: int
    task: int
    tasks: int
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Resigned:
    """A candidate is chief no more."""

    now: float
    job: str
    candidate: str


@dataclass(frozen=True, slots=True)
class ChiefFollows:
    """A chief has begun to follow its run. Without that it counts as gone after a while."""

    now: float
    candidate: str


@dataclass(frozen=True, slots=True)
class ChiefLost:
    """A Follow call of a chief broke off: where it was its last one, that chief is gone."""

    now: float
    candidate: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    now: float


@dataclass(frozen=True, slots=True)
class HeldUp:
    """The coordinator's own process stood still for so many seconds: whom it did not hear may have spoken."""

    now: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The coordinator is to end: no run starts any more."""

    now: float


Event = (
    WorkerRegistered
    | WorkerBeat
    | WorkerLost
    | TaskEnded
    | FailureReported
    | RunSubmitted
    | CancelAsked
    | WaferAttached
    | WaferSaid
    | WaferDetached
    | WaferDied
    | ElectAsked
    | Resigned
    | Arrived
    | ChiefFollows
    | ChiefLost
    | Tick
    | HeldUp
    | ShutDown
)
