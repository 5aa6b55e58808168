"""Did the input keep up? A number and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from wire.core_use import IDLE, Load

KEEPS_UP = 0.90
"""MLPerf Storage passes a system at 90 % accelerator utilisation."""
FULL = 0.90
"""Cores that are busy for more of the time than this are full: whoever comes next takes from the others."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """utilisation: busy time over total time (AU). blame: the seam with the most stall, "" where none counts.

    workers: how many workers like those of the run would have been enough; None where it keeps up, or where cores,
    not workers, are the limit. load: of the busiest machine. reach: the most of what the wafer could take (0 .. 1)
    that these machines can feed, with any number of workers.
    """

    keeps_up: bool
    utilisation: float
    blame: str
    workers: int | None
    load: Load = IDLE

    @property
    def reach(self) -> float:
        return min(1.0, self.utilisation * growth(self.load))

    @property
    def cores_limit(self) -> bool:
        """Whether more workers on the same machines would change nothing."""
        return not self.keeps_up and fills(self.load)

    @property
    def sentence(self) -> str:
        """What is said at the end of the one-line result."""
        if self.keeps_up:
            return "the input keeps up"
        waited = f"the input does not keep up: {1 - self.utilisation:.0%} of the time the wafer waited"
        return waited + (f" for {self.blame}" if self.blame else "") + self._advice

    @property
    def _advice(self) -> str:
        if self.cores_limit:
            return f"; the cores are the limit, not the workers: they were busy {self.load.busy:.0%} of the time"
        if not self.workers:
            return ""
        enough = f"; about {self.workers} workers would be enough"
        if self.reach < KEEPS_UP:
            enough += f", on more cores than these, which would be full at {self.reach:.0%} of what the wafer takes"
        return enough + (" (other programs kept the cores busy)" if self.load.busy >= FULL else "")


def fills(load: Load) -> bool:
    """Whether a run has filled the cores of a machine. Where others have, it is given room when it asks for more."""
    return load.busy >= FULL and load.ours >= load.busy / 2


def growth(load: Load) -> float:
    """By how much a run can grow until it fills the cores of its busiest machine; 1 where it does."""
    if fills(load):
        return 1.0
    return 1.0 / load.ours if load.ours > 0 else math.inf


def judge(utilisation: float, stalls: Mapping[str, float], workers: int, load: Load = IDLE) -> Verdict:
    """The verdict on a run. stalls: seam -> seconds. workers: how many fed it. load: of the busiest machine.

    The recommendation takes the rate of a worker as fixed: without stall the wafer would have taken
    1 / utilisation times as much.
    """
    if utilisation >= KEEPS_UP:
        return Verdict(True, utilisation, "", None, load)
    blame = max(stalls, key=lambda seam: stalls[seam], default="")
    enough = math.ceil(workers / utilisation) if workers and utilisation > 0 and not fills(load) else None
    return Verdict(False, utilisation, blame, enough, load)


@dataclass(frozen=True, slots=True)
class Rates:
    """Samples per second that a run showed. takes: what the wafer would take without any stall. workers: how many.

    load: of the busiest machine.
    """

    measured: float
    takes: float
    workers: int
    load: Load = IDLE

    @classmethod
    def of(cls, measured: float, utilisation: float, workers: int, load: Load = IDLE) -> Rates:
        return cls(measured, measured / utilisation if utilisation > 0 else math.inf, workers, load)

    def with_workers(self, workers: int) -> float:
        """The rate that as many workers of the same kind, on the same machines, would give.

        Each brings what each brought, as long as the wafer takes it and cores are left. Where the wafer waited for
        nothing the workers could do more than they showed, so this is what they give at least.
        """
        brought = self.measured / self.workers * workers if self.workers else 0.0
        room = growth(self.load)
        return min(brought, self.takes, self.measured * room if room < math.inf else math.inf)


@dataclass(frozen=True, slots=True)
class Split:
    """Where an epoch's time goes, by three runs of the same steps. Shares of the cold run's time; they add up to 1.

    compute: what is left with cached batches. prep: what reading from memory and making batches add. fetch: what
    reading from where the data lie adds. headroom: rate with cached batches over the warm one; 1: the input is no
    slower than the wafer.
    """

    compute: float
    prep: float
    fetch: float
    headroom: float


def split(synthetic: float, warm: float, cold: float) -> Split:
    """Split a stall by the rates (samples per second) of a synthetic, a warm and a cold run.

    A run that was quicker than the one that leaves work out counts as equal to it: that difference is noise.
    Raises ValueError for a rate that is not above 0.
    """
    if min(synthetic, warm, cold) <= 0:
        raise ValueError(f"rates must be above 0: synthetic {synthetic}, warm {warm}, cold {cold}")
    headroom = synthetic / warm
    warm = min(warm, synthetic)
    cold = min(cold, warm)
    compute, prepared = cold / synthetic, cold / warm
    return Split(compute, prepared - compute, 1.0 - prepared, headroom)
