"""Whatever crashes, freezes, breaks or comes twice: a run ends, with the weights of the undisturbed run.

A schedule that fails is named with the command that replays it.
"""

from __future__ import annotations

import pytest

from tests.faults.simulation import mutation
from tests.faults.simulation.__main__ import replayed
from tests.faults.simulation.check import Violation
from tests.faults.simulation.schedule import Fault, Schedule
from tests.faults.simulation.world import World

ITEMS, SEEDS = 20, 500
MUTANT_SEEDS = 2_000
INSIDE = 6


def run(schedule: Schedule, replay: str) -> World:
    """Run a schedule to its end; a promise that is broken is said with the command that shows how."""
    world = World(schedule)
    try:
        world.run()
    except Violation as violation:
        raise Violation(f"{violation}\nreplay: python -m tests.faults.simulation {replay}") from violation
    return world


@pytest.mark.parametrize("item", range(ITEMS))
def test_any_schedule_keeps_every_promise(item: int) -> None:
    """Crashes, delays, lost connections, duplicates and frozen processes at random cost time, never a batch."""
    for seed in range(item * SEEDS, (item + 1) * SEEDS):
        run(Schedule.of(seed), f"--seed {seed}")


@pytest.mark.parametrize(
    ("role", "pick"),
    [("worker", 0), ("worker", 1), ("wafer", 0), ("coordinator", 0), ("chief", 0)]
    + [("inside", instructions) for instructions in range(INSIDE)],
)
def test_a_crash_at_every_point_keeps_every_promise(role: str, pick: int) -> None:
    """Each role may crash before each event of a run, and the coordinator between any two of its instructions."""
    points = run(Schedule.small(), "--crash wafer --at 999999").events
    assert points > 100
    for at in range(1, points + 1):
        run(Schedule.small(Fault(at, role, pick)), f"--crash {role} --at {at} --pick {pick}")


def test_a_seed_replays() -> None:
    """The same seed gives the same events, in the same order, at the same times."""
    for seed in range(20):
        assert replayed(Schedule.of(seed)) == replayed(Schedule.of(seed))


def test_faults_happen() -> None:
    """The schedules reach what they are made for: every kind of fault, late streams, new chiefs, old checkpoints."""
    text = "".join(replayed(Schedule.of(seed))[0] for seed in range(150))
    for sign in ("is late", "has a new chief", "frozen for", "asks twice", "loses its", "from step", "passed over"):
        assert sign in text, sign
    for role in ("worker", "wafer", "coordinator", "chief"):
        assert any(role in line and line.endswith("CRASHED") for line in text.splitlines()), role


@pytest.mark.parametrize(
    ("mutant", "broken"),
    [
        (mutation.LetsDuplicatesIn, "was used where"),
        (mutation.AcksBeforeCommit, "were acked"),
        (mutation.ForgetsTheTerm, "after"),
        (mutation.GivesOldLeases, "is given lease"),
        (mutation.NoFence, "was let in"),
        (mutation.ForgetsItsOwn, "this is no checkpoint|has the cursors of step"),
    ],
)
def test_what_is_broken_is_noticed(mutant: type[mutation.Mutation], broken: str) -> None:
    """A product with one guarantee taken out breaks a promise in some schedule."""
    with pytest.raises(Violation, match=broken):
        for seed in range(MUTANT_SEEDS):
            World(Schedule.of(seed), mutant()).run()
