"""Who is chief of which job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wire.errors import Exhausted


@dataclass(slots=True)
class _Chief:
    """heard: when it last said anything. follows: its open Follow calls. lost: the last of them broke off."""

    candidate: str
    heard: float
    follows: int = 0
    lost: bool = False


@dataclass(slots=True)
class Chiefs:
    """First come, first served, per job, until the chief resigns or is gone.

    most: the jobs that may have a chief at a time. patience: for how many seconds one that follows no run stays chief
    without a word; it asks to be elected again every few seconds. mourning: for how many seconds one whose call broke
    off must have been silent as well, before a successor takes its place that nobody has started for that.
    """

    most: int
    patience: float
    mourning: float = 0.0
    _by_job: dict[str, _Chief] = field(default_factory=dict)

    def of(self, job: str) -> str | None:
        """The chief of a job, also one that is gone; None where there is none."""
        chief = self._by_job.get(job)
        return None if chief is None else chief.candidate

    def all(self) -> dict[str, str]:
        """job -> chief."""
        return {job: chief.candidate for job, chief in self._by_job.items()}

    def restore(self, chiefs: Mapping[str, str], now: float) -> None:
        """job -> chief, as an earlier coordinator knew them; each has to be heard of again."""
        self._by_job = {job: _Chief(candidate, now) for job, candidate in chiefs.items()}

    def is_vacant(self, job: str, now: float, successor: bool = False) -> bool:
        """Whether who asks now becomes chief; a successor only in place of one that is gone, and after a while.

        One that has resigned has no successor.
        """
        chief = self._by_job.get(job)
        if chief is None:
            return not successor
        return self._gone(chief, now) and not (successor and now - chief.heard <= self.mourning)

    def make_room(self, now: float) -> dict[str, str]:
        """job -> chief of those that are gone and forgotten now; nobody where there is room for another job."""
        full = len(self._by_job) >= self.most
        gone = {job: chief.candidate for job, chief in self._by_job.items() if full and self._gone(chief, now)}
        for job in gone:
            del self._by_job[job]
        return gone

    def elect(self, job: str, candidate: str, now: float, successor: bool = False) -> str:
        """The chief of a job after this candidate asked; "" where there is none. Raises Exhausted."""
        chief = self._by_job.get(job)
        if self.is_vacant(job, now, successor):
            if chief is None and len(self._by_job) >= self.most:
                raise Exhausted(f"{self.most} jobs have a chief; that is the most this coordinator takes")
            chief = self._by_job[job] = _Chief(candidate, now)
        elif chief is not None and chief.candidate == candidate:
            chief.heard = now
        return "" if chief is None else chief.candidate

    def holds(self, job: str, candidate: str, now: float) -> bool:
        """Whether a candidate is chief of a job and not gone."""
        chief = self._by_job.get(job)
        return chief is not None and chief.candidate == candidate and not self._gone(chief, now)

    def heard(self, candidate: str, now: float) -> None:
        """A chief said something."""
        for chief in self._led_by(candidate):
            chief.heard, chief.lost = now, False

    def follows(self, candidate: str, now: float) -> None:
        """A Follow call of a chief has begun."""
        for chief in self._led_by(candidate):
            chief.heard, chief.lost, chief.follows = now, False, chief.follows + 1

    def lose(self, candidate: str) -> bool:
        """A Follow call of a chief broke off. Whether a chief is gone with it: it may have another call."""
        chiefs = list(self._led_by(candidate))
        for chief in chiefs:
            chief.follows = max(0, chief.follows - 1)
            chief.lost = chief.follows == 0
        return any(chief.lost for chief in chiefs)

    def run_over(self, candidate: str) -> None:
        """The run that a chief followed has ended: from now on it lives as long as it says so."""
        for chief in self._led_by(candidate):
            chief.follows = 0

    def resign(self, job: str, candidate: str) -> bool:
        """Whether the candidate was chief of the job; it is not any more."""
        chief = self._by_job.get(job)
        if chief is None or chief.candidate != candidate:
            return False
        del self._by_job[job]
        return True

    def _led_by(self, candidate: str) -> Iterator[_Chief]:
        return (chief for chief in self._by_job.values() if chief.candidate == candidate)

    def _gone(self, chief: _Chief, now: float) -> bool:
        # One that was killed resigns nowhere, and its Follow call may never have begun.
        return chief.lost or (not chief.follows and now - chief.heard > self.patience)
