"""Replay one schedule with a full trace.

python -m tests.faults.simulation --seed N
python -m tests.faults.simulation --crash wafer --at 120 [--pick 0]
"""

from __future__ import annotations

import argparse
import sys

from tests.faults.simulation.check import Violation
from tests.faults.simulation.schedule import CRASHES, Fault, Schedule
from tests.faults.simulation.world import World


def replayed(schedule: Schedule) -> tuple[str, bool]:
    """What happened, line by line, and whether every promise was kept."""
    world = World(schedule, traced=True)
    try:
        world.run()
        kept, verdict = True, "every promise was kept"
    except Violation as violation:
        kept, verdict = False, f"BROKEN: {violation}"
    lines = [str(schedule), *(world.trace or ()), f"{world.events} events, {world.now - 1000:.1f} s: {verdict}"]
    return "\n".join(lines), kept


def main() -> int:
    """Print what happened; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="of the schedule")
    which.add_argument("--crash", choices=CRASHES, help="who crashes, once, in the small run")
    parser.add_argument("--at", type=int, default=1, help="before which event")
    parser.add_argument("--pick", type=int, default=0, help="which one of them; of `inside`: after which instruction")
    options = parser.parse_args()
    if options.crash:
        schedule = Schedule.small(Fault(options.at, options.crash, options.pick))
    else:
        schedule = Schedule.of(options.seed)
    text, kept = replayed(schedule)
    sys.stdout.write(text + "\n")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
