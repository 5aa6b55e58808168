"""A run, driven through its strikes to its end; every wait is bounded."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.cast import Cast, Stuck
from benchmarks.faults.figures import IN_FLIGHT_SECONDS, Struck
from benchmarks.faults.guard import guarded
from benchmarks.faults.strikes import CHIEF, COORDINATOR, WAFER, Strike
from benchmarks.faults.watch import Sight, Watch

PATIENCE_SECONDS = 90.0


@contextmanager
def begun(folder: Path, workers: int, run: Sequence[str]) -> Iterator[Drive]:
    """A run that has made its first step. run: options of run.py. Nothing of it is left afterwards."""
    mark = uuid.uuid4().hex
    with guarded(mark):
        cast = Cast(folder, mark, workers, run)
        with Watch(cast.address, cast.model_dir) as watch:
            drive = Drive(cast, watch)
            cast.start_chief()
            try:
                drive.wait_for(lambda sight: sight.step > 0, "a first step")
                yield drive
            except Stuck as stuck:
                raise Stuck(f"{stuck}\nlast seen: {watch.sight}\n{cast.tails()}") from stuck
    cast.reap()


class Drive:
    """Strikes a run's processes and starts them again. Raises Stuck where the run does not go on."""

    def __init__(self, cast: Cast, watch: Watch) -> None:
        self.cast = cast
        self.watch = watch
        self._orphaned = ""

    def strike_all(self, planned: Sequence[Strike]) -> list[Struck]:
        """Carry out the strikes, each after the recovery from the one before unless it overlaps it.

        Fewer come back where the run ended before them.
        """
        struck: list[Struck] = []
        for strike, after in zip(planned, [*planned[1:], None], strict=True):
            self.watch.rest(strike.wait)
            self.cast.replace_who_left()
            if self.cast.ended:
                break
            followed = after is not None and after.overlaps
            at = self._one(strike)
            struck.append(Struck(strike, at, alone=not (strike.overlaps or followed)))
            print(f"{strike.number + 1:3}  {strike.role:14} at step {self.watch.sight.step:,}", flush=True)
            if not followed:
                self._recovered(strike, at)
        return struck

    def to_the_end(self) -> None:
        """Until the chief has left in order."""
        while not self.cast.ended:
            if time.monotonic() - self.watch.commits[-1].at > PATIENCE_SECONDS:
                raise Stuck(f"no step was committed for {PATIENCE_SECONDS:g} s")
            self.watch.rest(0.5)
            self.cast.replace_who_left()

    def wait_for(self, seen: Callable[[Sight], bool], what: str) -> None:
        """Until a look at the run shows it; whoever has left meanwhile is started again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.watch.wait(seen, 1.0):
            if time.monotonic() > deadline:
                raise Stuck(f"waited {PATIENCE_SECONDS:g} s for {what}")
            self.cast.replace_who_left()

    def _one(self, strike: Strike) -> float:
        if strike.role == WAFER:
            self.wait_for(lambda _: self.cast.wafer() is not None, "a wafer process")
        if strike.role == CHIEF:
            self._orphaned = self.watch.sight.session
        at = time.monotonic()
        self.cast.strike(strike)
        self.cast.mend(strike)
        return at

    def _recovered(self, strike: Strike, at: float) -> None:
        """Until steps are committed again and everybody is back: workers registered, the run with a living chief."""
        since = at + (IN_FLIGHT_SECONDS if strike.role in (WAFER, COORDINATOR) else 0.0)

        def back(sight: Sight) -> bool:
            everybody = all(sight.has_worker(worker.pid) for worker in self.cast.workers)
            goes_on = self.watch.commits[-1].at > since
            return sight.state == "finished" or (everybody and sight.session != self._orphaned and goes_on)

        self.watch.rest(strike.frozen)
        self.wait_for(back, f"recovery from the death of the {strike.role}")
