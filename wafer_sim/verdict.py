"""Did the input keep up? A number and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

KEEPS_UP = 0.90
"""MLPerf Storage passes a system at 90 % accelerator utilisation."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """utilisation: busy time over total time (AU). blame: the seam with the most stall, "" where none counts.

    workers: how many workers like those of the run would have been enough; None where it keeps up.
    """

    keeps_up: bool
    utilisation: float
    blame: str
    workers: int | None

    @property
    def sentence(self) -> str:
        """What is said at the end of the one-line result."""
        if self.keeps_up:
            return "the input keeps up"
        waited = f"the input does not keep up: {1 - self.utilisation:.0%} of the time the wafer waited"
        blame = f" for {self.blame}" if self.blame else ""
        return waited + blame + (f"; about {self.workers} workers would be enough" if self.workers else "")


def judge(utilisation: float, stalls: Mapping[str, float], workers: int) -> Verdict:
    """The verdict on a run. stalls: seam -> seconds. workers: how many fed it.

    The recommendation takes the rate of a worker as fixed: without stall the wafer would have taken
    1 / utilisation times as much.
    """
    if utilisation >= KEEPS_UP:
        return Verdict(True, utilisation, "", None)
    blame = max(stalls, key=lambda seam: stalls[seam], default="")
    enough = math.ceil(workers / utilisation) if workers and utilisation > 0 else None
    return Verdict(False, utilisation, blame, enough)
