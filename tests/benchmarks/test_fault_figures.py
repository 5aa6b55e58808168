"""Recovery, pauses and the verdict, from the times of committed steps."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.faults.figures import Account, Commit, Outcome, Struck, by_role, checks, pauses, percentile, recovery
from benchmarks.faults.strikes import CHIEF, COORDINATOR, FROZEN, WAFER, WORKER, Strike


def struck(role: str, at: float, alone: bool = True) -> Struck:
    return Struck(Strike(0, role, 0.5, False, 0.5, 0.0), at, alone)


def commits(*times: float) -> list[Commit]:
    return [Commit(at, step) for step, at in enumerate(times, start=1)]


def outcome(*strikes: Struck, times: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0)) -> Outcome:
    return Outcome(len(strikes), strikes, commits(*times), 0.8, Account(0, 0, True), True, ())


@pytest.mark.parametrize("role", [WORKER, FROZEN, CHIEF])
def test_recovery_is_the_first_step_after_the_strike(role: str) -> None:
    """Steps at and before the strike do not count."""
    assert recovery(struck(role, 1.0), commits(0.9, 1.0, 1.1, 5.0)) == pytest.approx(0.1)


@pytest.mark.parametrize("role", [WAFER, COORDINATOR])
def test_what_a_dead_wafer_process_said_is_no_recovery(role: str) -> None:
    """Where the wafer process dies too, only a step of the next one counts."""
    assert recovery(struck(role, 1.0), commits(0.9, 1.1, 4.0)) == pytest.approx(3.0)


def test_no_step_is_no_recovery() -> None:
    """A run that never goes on has recovered at infinity, which no bound allows."""
    assert recovery(struck(WORKER, 9.0), commits(1.0, 2.0)) == math.inf


def test_the_longest_pause_may_come_after_the_first_step() -> None:
    """Batches that a worker had pushed are used before its death is felt; the pause is found all the same."""
    found = pauses(outcome(struck(WORKER, 1.0), times=(0.9, 1.1, 1.2, 3.0, 3.1)))
    assert found == [pytest.approx(1.8)]


def test_a_pause_ends_with_the_next_strike() -> None:
    """A pause that goes on after the next strike is the next one's from there on."""
    first, second = struck(WORKER, 1.0), struck(WAFER, 2.0)
    found = pauses(outcome(first, second, times=(0.0, 1.1, 1.9, 9.0, 9.1)))
    assert found == [pytest.approx(0.8), pytest.approx(7.0)]


def test_what_is_after_the_last_step_is_no_pause() -> None:
    """The run is over then; a strike after which no step came at all is another matter."""
    assert pauses(outcome(struck(WORKER, 1.0), times=(0.9, 1.2))) == [pytest.approx(0.2)]
    assert pauses(outcome(struck(WORKER, 2.0), times=(0.9, 1.2))) == [math.inf]


def test_percentiles_are_values_that_were_measured() -> None:
    """Nearest rank: of twenty the 95th is the nineteenth, of one it is that one."""
    assert percentile(range(1, 21), 0.95) == 19
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([4.0, 1.0, 2.0], 0.5) == 2.0


def test_roles_are_counted_whole_and_measured_alone() -> None:
    """A strike that overlaps another is counted, but its recovery says nothing about its role."""
    rows = by_role(outcome(struck(WORKER, 1.5), struck(WORKER, 2.5, alone=False), struck(CHIEF, 3.5)))
    assert [(row.role, row.strikes, len(row.recoveries)) for row in rows] == [(WORKER, 2, 1), (CHIEF, 1, 1)]


def test_a_good_run_meets_all() -> None:
    """Every check of a run without loss, with quick recoveries, holds."""
    found = checks(outcome(struck(WORKER, 1.5), struck(WAFER, 2.5)))
    assert {check.name for check in found if "p95" in check.name} == {
        f"{role}: {name}, p95" for role in (WORKER, WAFER) for name in ("recovery", "longest pause")
    }
    assert all(check.met for check in found)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"asked": 3}, "strikes"),
        ({"account": Account(1, 0, True)}, "missing"),
        ({"account": Account(0, 1, True)}, "twice"),
        ({"account": Account(0, 0, False)}, "ledger holds"),
        ({"identical": False}, "weights identical"),
        ({"orphans": ("17: worker",)}, "orphans"),
        ({"unasked": ("worker 0 left",)}, "left unasked"),
        ({"commits": commits(0.0, 4.0)}, "worker: recovery, p95"),
        ({"commits": commits(0.0, 1.0)}, "worker: recovery, p95"),
        ({"commits": commits(0.0, 1.6, 4.0)}, "worker: longest pause, p95"),
    ],
)
def test_one_thing_that_does_not_hold_is_enough(change: dict[str, object], name: str) -> None:
    """Each check fails by itself."""
    found = checks(replace(outcome(struck(WORKER, 1.5)), **change))
    assert name in [check.name for check in found if not check.met]
