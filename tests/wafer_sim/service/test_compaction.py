"""Compaction: what is left out would change nothing for the coordinator that reads the rest."""

from wafer_sim.coordinator.records import fold
from wafer_sim.service.compaction import needed
from wire.v1 import journal_pb2 as pb
from wire.v1 import run_pb2

R = pb.Record


def term(number):
    return R(term=pb.TermBegun(term=number))


def submitted(run_id):
    return R(submitted=pb.RunSubmitted(run_id=run_id))


def said(run_id, **event):
    return R(said=pb.RunSaid(run_id=run_id, event=run_pb2.RunEvent(**event)))


def saved(run_id, step):
    return said(run_id, saved=run_pb2.Saved(step=step))


def elected(job, candidate):
    return R(elected=pb.ChiefElected(job=job, candidate=candidate))


def resigned(job, candidate):
    return R(resigned=pb.ChiefResigned(job=job, candidate=candidate))


def started(run_id, incarnation):
    return R(started=pb.WaferStarted(run_id=run_id, incarnation=incarnation))


def kept(*records):
    return [records[index] for index in needed(records)]


def test_forgotten_runs_leave_nothing():
    """Neither their records nor the word that they are forgotten."""
    forgotten = R(forgotten=pb.RunForgotten(run_id="a"))
    told = [submitted("a"), submitted("b"), saved("a", 1), R(cancelled=pb.RunCancelled(run_id="a")), forgotten]
    assert kept(*told) == [submitted("b")]


def test_of_a_run_the_latest_checkpoint_and_wafer_process_are_enough():
    """All that it is, and its end, stay, in order."""
    end = said("a", finished=run_pb2.Finished(stopped=True))
    adopted = [R(adopted=pb.RunAdopted(run_id="a", session=session)) for session in ("x", "y")]
    told = [term(1), submitted("a"), started("a", 7), saved("a", 1), adopted[0], term(2), started("a", 8)]
    told += [saved("b", 5), saved("a", 2), adopted[1], end]
    assert kept(*told) == [submitted("a"), adopted[0], started("a", 8), saved("b", 5), saved("a", 2), adopted[1], end]


def test_a_chief_that_resigned_or_was_replaced_is_dropped():
    """A resignation of somebody else changes nothing."""
    told = [elected("j", "a"), resigned("j", "a"), elected("j", "b"), elected("j", "c"), resigned("j", "b")]
    assert kept(*told, elected("k", "a")) == [elected("j", "c"), elected("k", "a")]


def test_what_is_read_is_the_same_with_and_without_compaction():
    """Runs, their ends and checkpoints, sessions and chiefs are those that all records add up to."""
    told = [elected("j", "a"), submitted("r"), started("r", 3), saved("r", 1), saved("r", 2), resigned("j", "a")]
    told += [elected("j", "b"), R(adopted=pb.RunAdopted(run_id="r", session="b")), term(2), submitted("q")]
    whole, compact = fold(told), fold(kept(*told))
    assert whole.chiefs == compact.chiefs == {"j": "b"}
    assert list(whole.runs) == list(compact.runs) == ["r", "q"]
    one, other = whole.runs["r"], compact.runs["r"]
    assert (one.saved, one.incarnation, one.former, one.spec) == (
        other.saved,
        other.incarnation,
        other.former,
        other.spec,
    )
