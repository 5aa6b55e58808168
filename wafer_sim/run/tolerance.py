"""Tolerance: how many samples of a run may be bad. Pure arithmetic, the same for the same input however it came."""

from __future__ import annotations

from collections.abc import Iterable

from wafer_sim.ledger import Taken
from wire.codec import BadSample
from wire.errors import InvalidInput

JUDGED_FROM = 1000
"""Samples before which no fraction is judged."""


class Tolerance:
    """Counts bad samples in the order in which steps take samples: by replica, then by place in the batch.

    in_a_row: the most in a row; fraction: the most of all samples, 0 .. 1, judged after each batch from the first
    1,000 samples on. 0 is no bound. What is not trained on does not count. samples, bad: those of the run before it
    was resumed.
    """

    def __init__(self, in_a_row: int = 0, fraction: float = 0.0, samples: int = 0, bad: int = 0) -> None:
        self._in_a_row = in_a_row
        self._fraction = fraction
        self.samples = samples
        self.bad = bad
        self._row = 0
        self._next_in_row = -1
        self._last = ""

    def count(self, step: Iterable[Taken]) -> None:
        """The batches of a committed step. Raises InvalidInput naming the bound, the count and the last bad sample."""
        for taken in step:
            for bad in sorted(taken.bad, key=lambda sample: sample.place):
                self._note(taken, bad)
            self.samples += taken.rows
            if self.bad and self._fraction and self.samples >= JUDGED_FROM:
                self._judge_fraction()

    def _note(self, taken: Taken, bad: BadSample) -> None:
        place = self.samples + bad.place
        self._row = self._row + 1 if place == self._next_in_row else 1
        self._next_in_row = place + 1
        self.bad += 1
        self._last = f"row {bad.row} of {bad.where} ({bad.why}), {taken.cursor}"
        if self._in_a_row and self._row > self._in_a_row:
            raise self._exceeded(f"{self._row} samples in a row are bad; {self._in_a_row} are tolerated", "in_a_row")

    def _judge_fraction(self) -> None:
        if self.bad > self._fraction * self.samples:
            what = f"{self.bad:,} of {self.samples:,} samples are bad, {self.bad / self.samples:.2%}"
            raise self._exceeded(f"{what}; {self._fraction:.2%} are tolerated", "fraction")

    def _exceeded(self, what: str, bound: str) -> InvalidInput:
        return InvalidInput(
            what,
            where=f"the last one: {self._last}" if self._last else "",
            fix=f"mend the data, or raise runconfig.bad_samples_{bound}",
        )
