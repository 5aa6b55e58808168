"""Which records of a journal still matter, so that it does not grow with every run that ever was."""

from __future__ import annotations

from collections.abc import Sequence

from wire.v1 import journal_pb2


def needed(records: Sequence[journal_pb2.Record]) -> list[int]:
    """The indices of the records that the next coordinator needs, in order.

    Not needed are those of forgotten runs, of chiefs that resigned or were replaced, of terms, since a new one
    begins, and of a run all but its latest wafer process and checkpoint.
    """
    forgotten = {record.forgotten.run_id for record in records if record.HasField("forgotten")}
    latest: dict[tuple[object, ...], int] = {}
    for index, record in enumerate(records):
        if record.HasField("resigned"):
            _resign(records, latest, record.resigned)
        elif not record.HasField("term") and _run_of(record) not in forgotten:
            latest[_superseded_by(record, index)] = index
    return sorted(latest.values())


def _superseded_by(record: journal_pb2.Record, index: int) -> tuple[object, ...]:
    """Of two records with the same key the later one says all."""
    kind = record.WhichOneof("record")
    match kind:
        case "started":
            return kind, record.started.run_id
        case "elected":
            return kind, record.elected.job
        case "said" if record.said.event.HasField("saved"):
            return kind, record.said.run_id
        case _:
            return kind, index


def _resign(
    records: Sequence[journal_pb2.Record], latest: dict[tuple[object, ...], int], gone: journal_pb2.ChiefResigned
) -> None:
    elected = latest.get(("elected", gone.job))
    if elected is not None and records[elected].elected.candidate == gone.candidate:
        del latest["elected", gone.job]


def _run_of(record: journal_pb2.Record) -> str:
    kind = record.WhichOneof("record")
    return getattr(getattr(record, kind), "run_id", "") if kind else ""
