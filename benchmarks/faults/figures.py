"""What came of the strikes: recovery and pauses from the times of committed steps, and the verdict. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.faults.strikes import COORDINATOR, SHARES, WAFER, WORKER, Strike

IN_FLIGHT_SECONDS = 0.25
"""What a wafer process said before it was killed is seen within this time; a new one needs longer to start."""
PAUSE_SECONDS = 10.0
BOUNDS = {WORKER: 2.0, WAFER: 10.0}
"""Role -> seconds that the 95th percentile of recoveries, and of pauses, must stay below."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A committed step was seen. at: seconds, monotonic."""

    at: float
    step: int


@dataclass(frozen=True, slots=True)
class Struck:
    """A strike that was carried out. alone: neither it nor the next one came before a recovery."""

    strike: Strike
    at: float
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """What `wafer_sim ledger` says of the final checkpoint."""

    missing: int
    twice: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """One chaos run. goodput: its steps a second over those of the undisturbed run."""

    asked: int
    struck: Sequence[Struck]
    commits: Sequence[Commit]
    goodput: float
    account: Account
    identical: bool
    orphans: Sequence[str]
    unasked: Sequence[str] = field(default_factory=tuple)


def recovery(struck: Struck, commits: Sequence[Commit]) -> float:
    """Seconds from a strike to the first step committed after it; inf where there was none.

    Where the wafer process died with it, that is a step of the next one.
    """
    late = IN_FLIGHT_SECONDS if struck.strike.role in (WAFER, COORDINATOR) else 0.0
    return next((commit.at - struck.at for commit in commits if commit.at > struck.at + late), math.inf)


def pause(struck: Struck, until: float, commits: Sequence[Commit]) -> float:
    """The longest time without a committed step between a strike and `until`, in seconds; inf where none came after it.

    A worker's batches that were pushed before its death are used first, so a step that has to wait for its streams
    comes later than the first step after the strike. What is after the last step of all is no pause.
    """
    later = [commit.at for commit in commits if commit.at > struck.at]
    if not later:
        return math.inf
    end = min(until, struck.at + PAUSE_SECONDS, later[-1])
    times = [struck.at, *(at for at in later if at < end), end]
    return max(after - before for before, after in pairwise(times))


def pauses(outcome: Outcome) -> list[float]:
    """The pause of every strike, each up to the next one."""
    ends = [struck.at for struck in outcome.struck[1:]] + [math.inf]
    return [pause(struck, end, outcome.commits) for struck, end in zip(outcome.struck, ends, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that `share` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class OfRole:
    """Strikes of one role. Recoveries and pauses in seconds, of those strikes that stood alone."""

    role: str
    strikes: int
    recoveries: Sequence[float]
    pauses: Sequence[float]


def by_role(outcome: Outcome) -> list[OfRole]:
    """Every role that was struck."""
    rows = list(zip(outcome.struck, pauses(outcome), strict=True))
    found = []
    for role in SHARES:
        mine = [(struck, longest) for struck, longest in rows if struck.strike.role == role]
        alone = [(recovery(struck, outcome.commits), longest) for struck, longest in mine if struck.alone]
        if mine:
            found.append(OfRole(role, len(mine), [r for r, _ in alone], [p for _, p in alone]))
    return found


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold."""

    name: str
    unit: str
    value: float
    target: str
    met: bool


def checks(outcome: Outcome) -> list[Check]:
    """All that must hold of a chaos run."""
    account = outcome.account
    found = [
        Check("strikes", "", len(outcome.struck), f"= {outcome.asked}", len(outcome.struck) == outcome.asked),
        Check("missing", "samples", account.missing, "= 0", account.missing == 0),
        Check("twice", "samples", account.twice, "= 0", account.twice == 0),
        Check("ledger holds", "", account.holds, "= 1", account.holds),
        Check("weights identical", "", outcome.identical, "= 1", outcome.identical),
        Check("left unasked", "processes", len(outcome.unasked), "= 0", not outcome.unasked),
        Check("orphans", "", len(outcome.orphans), "= 0", not outcome.orphans),
    ]
    for row in by_role(outcome):
        bound = BOUNDS.get(row.role)
        for name, values in (("recovery", row.recoveries), ("longest pause", row.pauses)):
            if values and bound is not None:
                value = percentile(values, 0.95)
                found.append(Check(f"{row.role}: {name}, p95", "s", value, f"< {bound:g} s", value < bound))
    return found


def sentence(outcome: Outcome) -> str:
    """The result in one line."""
    account = outcome.account
    return f"missing {account.missing}, twice {account.twice}, weights {'identical' if outcome.identical else 'DIFFER'}"
