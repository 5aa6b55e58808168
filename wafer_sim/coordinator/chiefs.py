"""Who is chief of which job."""

from __future__ import annotations

from dataclasses import dataclass, field

from wire.errors import Exhausted


@dataclass(slots=True)
class _Chief:
    candidate: str
    asked: float


@dataclass(slots=True)
class Chiefs:
    """First come, first served, per job, until the chief resigns. most: the jobs that may have a chief at a time."""

    most: int
    patience: float
    _by_job: dict[str, _Chief] = field(default_factory=dict)

    def elect(self, job: str, candidate: str, now: float, busy: frozenset[str]) -> str:
        """The chief of a job after this candidate asked. busy: sessions with a run that has not ended.

        A chief that was killed resigns nowhere, so one that is not busy and has not asked for `patience` seconds is
        replaced. Raises Exhausted.
        """
        chief = self._by_job.get(job)
        if chief is None and len(self._by_job) >= self.most:
            raise Exhausted(f"{self.most} jobs have a chief; that is the most this coordinator takes")
        gone = chief is not None and chief.candidate not in busy and now - chief.asked > self.patience
        if chief is None or gone or chief.candidate == candidate:
            chief = self._by_job[job] = _Chief(candidate, now)
        return chief.candidate

    def resign(self, job: str, candidate: str) -> None:
        """Nothing, unless the candidate is chief of the job."""
        chief = self._by_job.get(job)
        if chief is not None and chief.candidate == candidate:
            del self._by_job[job]
