"""Kills of real processes at random moments of an FC-MNIST run: nothing lost, nothing twice, the same weights.

    python benchmarks/chaos.py --kills 50 --seed 1
    python -m benchmarks chaos

An undisturbed run with one worker comes first, of the same length. Exit code 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.faults.cast import Stuck
from benchmarks.faults.drive import begun
from benchmarks.faults.figures import Commit, Outcome, by_role, checks, percentile, sentence
from benchmarks.faults.proof import account_of, orphans, weights_of
from benchmarks.faults.strikes import Strike, strikes
from benchmarks.measure import Figure, Result, publish

KILLS, SEED, WORKERS = 50, 1, 3
PROBE_STEPS = 1500
STEPS_A_KILL_SECONDS = 3.0
"""How long the run is to go on for each strike, at the rate of the undisturbed run."""
CHECKPOINT_STEPS = 50
LEAST_STEPS = 3000


def measure(kills: int = KILLS, seed: int = SEED, steps: int | None = None) -> Result:
    """Undisturbed run, chaos run, proof. Raises Stuck where the run does not go on."""
    with tempfile.TemporaryDirectory(prefix="chaos_") as name:
        folder = Path(name)
        if steps is None:
            rate = _rate(_undisturbed(folder / "probe", PROBE_STEPS))
            steps = max(LEAST_STEPS, round(kills * STEPS_A_KILL_SECONDS * rate / CHECKPOINT_STEPS) * CHECKPOINT_STEPS)
            print(f"{rate:,.0f} steps/s undisturbed: {steps:,} steps for {kills} kills", flush=True)
        quiet = _rate(_undisturbed(folder / "quiet", steps))
        outcome = _disturbed(folder, steps, strikes(seed, kills), quiet)
    _show(outcome)
    return Result(
        "chaos", f"python benchmarks/chaos.py --kills {kills} --seed {seed}", _figures(outcome), _notes(steps)
    )


def _options(steps: int) -> list[str]:
    options = ["--max_steps", str(steps), "--num_workers", "0", "--num_streams", "4", "--log_steps", "10"]
    return [*options, "--checkpoint_steps", str(CHECKPOINT_STEPS), "runconfig.keep_checkpoint_max", "3"]


def _undisturbed(folder: Path, steps: int) -> list[Commit]:
    with begun(folder, 1, _options(steps)) as run:
        run.to_the_end()
        return run.watch.commits


def _disturbed(folder: Path, steps: int, planned: Sequence[Strike], quiet: float) -> Outcome:
    with begun(folder / "chaos", WORKERS, _options(steps)) as run:
        struck = run.strike_all(planned)
        run.to_the_end()
        commits, unasked = run.watch.commits, tuple(run.cast.unasked)
    goodput = _rate(commits) / quiet
    identical = weights_of(folder / "chaos" / "model_dir", steps) == weights_of(folder / "quiet" / "model_dir", steps)
    account = account_of(folder / "chaos" / "model_dir")
    left = orphans(folder / "orphans", WORKERS)
    return Outcome(len(planned), struck, commits, goodput, account, identical, left, unasked)


def _rate(commits: Sequence[Commit]) -> float:
    """Steps a second from the first to the last commit."""
    return (commits[-1].step - commits[0].step) / (commits[-1].at - commits[0].at)


def _show(outcome: Outcome) -> None:
    table = Table(title=f"{len(outcome.struck)} strikes", title_justify="left")
    for column in ("struck", "times", "alone", "recovery p50", "p95", "longest pause p50", "p95"):
        table.add_column(column, justify="left" if column == "struck" else "right")
    for row in by_role(outcome):
        spread = [f"{percentile(v, q):.2f} s" if v else "" for v in (row.recoveries, row.pauses) for q in (0.5, 0.95)]
        table.add_row(row.role, str(row.strikes), str(len(row.recoveries)), *spread)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    for words in (*outcome.unasked, *outcome.orphans):
        print(f"! {words}")
    print(f"{sentence(outcome)}; goodput {outcome.goodput:.2f} of the undisturbed run")


def _figures(outcome: Outcome) -> list[Figure]:
    figures = [Figure("goodput against the undisturbed run", "", [outcome.goodput])]
    for row in by_role(outcome):
        figures.append(Figure(f"{row.role}: strikes", "", [row.strikes]))
        for name, values in (("recovery", row.recoveries), ("longest pause", row.pauses)):
            if values:
                figures.append(Figure(f"{row.role}: {name}", "s", values))
                figures.append(Figure(f"{row.role}: {name}, p95", "s", [percentile(values, 0.95)]))
    judged = {
        check.name: Figure(check.name, check.unit, [check.value], check.target, check.met) for check in checks(outcome)
    }
    return [judged.pop(figure.name, figure) for figure in figures] + list(judged.values())


def _notes(steps: int) -> str:
    return (
        f"{steps:,} steps of 256 samples, 4 streams, {WORKERS} workers, a checkpoint every {CHECKPOINT_STEPS} steps. "
        "Recovery: from the signal to the first step committed after it. Longest pause: the longest time without a "
        "committed step from the signal to the next one, 10 s at most. Both of strikes that overlap no other."
    )


def main(words: Sequence[str]) -> int:
    """Measure, print, write benchmarks/results/chaos.json; the exit code is 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="chaos.py", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, help="length of the run; default: long enough for the kills")
    given = parser.parse_args(words)
    try:
        result = measure(given.kills, given.seed, given.steps)
    except Stuck as stuck:
        print(f"chaos (seed {given.seed}): {stuck}", file=sys.stderr)
        return 1
    publish(result)
    return int(any(figure.met is False for figure in result.figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
