"""What must outlive the coordinator: how it is written down, and how it is read again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wafer_sim.coordinator.adoption import with_session
from wafer_sim.coordinator.history import LASTING
from wire.v1 import journal_pb2, run_pb2

Record = journal_pb2.Record


@dataclass(slots=True)
class KeptRun:
    """A run as it was written down. events: the lasting ones, in order. former: the sessions that had it before."""

    run_id: str
    spec: run_pb2.RunSpec
    incarnation: int = 0
    cancelled: bool = False
    events: list[run_pb2.RunEvent] = field(default_factory=list)
    former: set[str] = field(default_factory=set)

    @property
    def last_word(self) -> run_pb2.RunEvent | None:
        """The event with which it ended; None while it lives."""
        ends = self.events and self.events[-1].WhichOneof("event") in ("finished", "failed")
        return self.events[-1] if ends else None

    @property
    def saved(self) -> run_pb2.Saved | None:
        """Its latest checkpoint."""
        return next((event.saved for event in reversed(self.events) if event.HasField("saved")), None)


@dataclass(slots=True)
class Kept:
    """All that was written down: runs in the order in which they came, and job -> chief."""

    runs: dict[str, KeptRun] = field(default_factory=dict)
    chiefs: dict[str, str] = field(default_factory=dict)


def fold(records: Iterable[Record]) -> Kept:
    """The state that these records, in the order in which they were written, add up to."""
    kept = Kept()
    for record in records:
        match record.WhichOneof("record"):
            case "submitted":
                run_id = record.submitted.run_id
                kept.runs[run_id] = KeptRun(run_id, record.submitted.spec)
            case "forgotten":
                kept.runs.pop(record.forgotten.run_id, None)
            case "elected":
                kept.chiefs[record.elected.job] = record.elected.candidate
            case "resigned":
                kept.chiefs.pop(record.resigned.job, None)
            case "started" | "said" | "cancelled" | "adopted" as kind:
                _fold_run(kept.runs.get(getattr(record, kind).run_id), record)
    return kept


def _fold_run(run: KeptRun | None, record: Record) -> None:
    if run is None:
        return
    match record.WhichOneof("record"):
        case "started":
            run.incarnation = record.started.incarnation
        case "said":
            run.events.append(record.said.event)
        case "cancelled":
            run.cancelled = True
        case "adopted":
            adopted = record.adopted
            run.former = (run.former | {run.spec.session}) - {adopted.session}
            run.spec = with_session(run.spec, adopted.session, adopted.chief)


def lasts(event: run_pb2.RunEvent) -> bool:
    """Whether a run's event is written down."""
    return event.WhichOneof("event") in LASTING


def submitted(run_id: str, spec: run_pb2.RunSpec) -> Record:
    """There is a run."""
    return Record(submitted=journal_pb2.RunSubmitted(run_id=run_id, spec=spec))


def started(run_id: str, incarnation: int) -> Record:
    """A run has the wafer, and its process this number."""
    return Record(started=journal_pb2.WaferStarted(run_id=run_id, incarnation=incarnation))


def said(run_id: str, event: run_pb2.RunEvent) -> Record:
    """A lasting event of a run."""
    return Record(said=journal_pb2.RunSaid(run_id=run_id, event=event))


def cancelled(run_id: str) -> Record:
    """A run is to stop."""
    return Record(cancelled=journal_pb2.RunCancelled(run_id=run_id))


def adopted(run_id: str, session: str, chief: str = "") -> Record:
    """A run belongs to another session now, or to another chief of it."""
    return Record(adopted=journal_pb2.RunAdopted(run_id=run_id, session=session, chief=chief))


def forgotten(run_id: str) -> Record:
    """Nothing more needs to be known of a run."""
    return Record(forgotten=journal_pb2.RunForgotten(run_id=run_id))


def elected(job: str, candidate: str) -> Record:
    """A job has this chief."""
    return Record(elected=journal_pb2.ChiefElected(job=job, candidate=candidate))


def resigned(job: str, candidate: str) -> Record:
    """A job has no chief any more."""
    return Record(resigned=journal_pb2.ChiefResigned(job=job, candidate=candidate))
