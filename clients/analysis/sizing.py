"""What one's own pipeline needs: which part of the way is slow, and how many workers are enough. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

SCALES = 0.8
"""Two workers that give less than this part of twice the rate of one are held up by something that they share."""

PIPELINE, SENDING, CONSUMER = "the pipeline", "sending", "the consumer"
ADVICE = {
    PIPELINE: "batches are not made fast enough; `streamer inspect` measures reading alone and says what would help",
    SENDING: "batches are made faster than they can be sent: let a compact dtype travel (lands_as)",
    CONSUMER: "batches wait for credit: what takes them is slower here, and a worker can bring more than was measured",
}


class Measured(Protocol):
    """A seam's reading, as it travels."""

    name: str
    put_wait: float
    get_wait: float


def waits(seams: Iterable[Measured]) -> dict[str, float]:
    """Seconds that the senders of all streams waited for each part: for batches, to be rid of them, for credit."""
    found = {PIPELINE: 0.0, SENDING: 0.0, CONSUMER: 0.0}
    for seam in seams:
        if seam.name == "prefetch":
            found[PIPELINE] += seam.get_wait
        elif seam.name == "wire":
            found[SENDING] += seam.put_wait
            found[CONSUMER] += seam.get_wait
    return found


def shares(seconds: Mapping[str, float]) -> dict[str, float]:
    """Each part of the waiting, 0 .. 1; all 0 where nobody waited."""
    total = sum(seconds.values())
    return {part: spent / total if total > 0 else 0.0 for part, spent in seconds.items()}


@dataclass(frozen=True, slots=True)
class Needed:
    """workers: enough for the rate, if each brings what one does alone. cores: that the cores here end before."""

    workers: int
    cores: bool

    @classmethod
    def of(cls, rate: float, one: float, two: float) -> Needed:
        """Of rates in samples a second: the wanted one, and those measured of one worker and of two."""
        return cls(max(1, math.ceil(rate / one)), rate > max(one, two) and not scales(one, two))

    def sentence(self, rate: float) -> str:
        """What is said of it."""
        workers = "1 worker is" if self.workers == 1 else f"{self.workers} workers are"
        enough = f"{workers} enough for {rate:,.0f} samples/s"
        held = "; here a second worker brings too little: cores, not workers, are the limit, so start them elsewhere"
        return f"{enough}{held if self.cores else ''}."


def scales(one: float, two: float) -> bool:
    """Whether a second worker brings about as much as the first."""
    return two >= 2 * SCALES * one
