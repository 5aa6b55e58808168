"""What the coordinator wants done, in order. The shell (service/hub.py) does it."""

from __future__ import annotations

from dataclasses import dataclass

from wire.v1 import coordinator_pb2, journal_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class Record:
    """Write this down for good before anything that follows is done."""

    record: journal_pb2.Record


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to WorkerRegistered: the number that the worker names in every call."""

    worker_id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to RunSubmitted. attached: this run was there already, and is now the caller's to follow."""

    run_id: str
    attached: bool


@dataclass(frozen=True, slots=True)
class Elected:
    """The answer to ElectAsked: who is chief."""

    chief: str


@dataclass(frozen=True, slots=True)
class Met:
    """The answer to Arrived: what all tasks gave, in their order; empty as long as some are missing."""

    payloads: tuple[str, ...]
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a worker all that it has to do now."""

    worker_id: str
    assignment: coordinator_pb2.Assignment


@dataclass(frozen=True, slots=True)
class Dismiss:
    """A worker is given up: end its watch."""

    worker_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Give an event, numbered, to the followers of a run."""

    run_id: str
    event: run_pb2.RunEvent


@dataclass(frozen=True, slots=True)
class StartWafer:
    """Start a wafer process for a run."""

    run_id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class OrderStart:
    """Tell an attached wafer process what to run."""

    run_id: str
    spec: run_pb2.RunSpec


@dataclass(frozen=True, slots=True)
class StopWafer:
    """Order a wafer process to stop after the step in hand, with a checkpoint."""

    run_id: str


@dataclass(frozen=True, slots=True)
class OrderFail:
    """Order a wafer process to end its run with this problem."""

    run_id: str
    problem: run_pb2.Problem


@dataclass(frozen=True, slots=True)
class ForwardSeams:
    """Pass a worker's readings on to the wafer process."""

    run_id: str
    report: run_pb2.SeamReport


@dataclass(frozen=True, slots=True)
class TerminateWafer:
    """Send SIGTERM to a run's wafer process."""

    run_id: str


@dataclass(frozen=True, slots=True)
class KillWafer:
    """Send SIGKILL to a run's wafer process."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log: somebody joined or left, a run changed."""

    text: str


Instruction = (
    Record
    | Registered
    | Submitted
    | Elected
    | Met
    | Tell
    | Dismiss
    | Publish
    | StartWafer
    | OrderStart
    | StopWafer
    | OrderFail
    | ForwardSeams
    | TerminateWafer
    | KillWafer
    | Note
)
