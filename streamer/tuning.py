"""Autotune: how many batches a worker keeps ready, and how large its messages are. Observations in, settings out.

Depth grows where both sides of a prefetch wait in the same second: what comes in bursts wants room. Where one side
alone waits more room changes nothing. It never shrinks but for the budget. A larger message is tried where sending is
what takes the time, and kept only where more bytes went through. So each setting turns back at most once, then stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

BUDGET_BYTES = 128 * 2**20
"""What all streams of a worker may keep ready together, where two batches in each are not more than that."""

DEFAULT_PREFETCH = 32
LEAST_PREFETCH, MOST_PREFETCH = 2, 1024
MESSAGE_BYTES, MOST_MESSAGE_BYTES = 1 << 22, 1 << 24

WAITS = 0.05
"""From this part of the time on a side of a prefetch counts as waiting."""
SENDS, FULL = 0.3, 0.75
GAIN = 1.1
"""What a larger message must bring: less is noise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """prefetch: batches kept ready in each stream. message_bytes: about the size of a message."""

    prefetch: int = DEFAULT_PREFETCH
    message_bytes: int = MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Totals:
    """What all streams of a worker have done so far, added up.

    batches, nbytes: made ready. starved, blocked: seconds for which the push waited for a batch, and a pipeline for
    room. messages, sent: messages and their bytes. sending: seconds that they took.
    """

    batches: int = 0
    nbytes: int = 0
    starved: float = 0.0
    blocked: float = 0.0
    messages: int = 0
    sent: int = 0
    sending: float = 0.0

    @property
    def went_on(self) -> bool:
        """Whether this can be what was done since: a push that began anew counts from nothing."""
        return min(self.batches, self.messages, self.starved, self.blocked, self.sending) >= 0

    def since(self, before: Totals) -> Totals:
        return Totals(
            self.batches - before.batches,
            self.nbytes - before.nbytes,
            self.starved - before.starved,
            self.blocked - before.blocked,
            self.messages - before.messages,
            self.sent - before.sent,
            self.sending - before.sending,
        )


@dataclass(frozen=True, slots=True)
class Observation:
    """What `streams` streams, 1 at least, did in `seconds` > 0."""

    streams: int
    seconds: float
    did: Totals

    def part(self, seconds: float) -> float:
        """Of the time that all streams had."""
        return seconds / (self.seconds * self.streams)

    @property
    def rate(self) -> float:
        """Bytes sent, a second."""
        return self.did.sent / self.seconds


@dataclass(frozen=True, slots=True)
class Tuning:
    """Where the tuning stands. largest: bytes of the largest batch, on the average of an observation.

    tried_at: the rate that a larger message has to beat, while one is tried. done: no larger one is tried any more.
    """

    settings: Settings = field(default_factory=Settings)
    budget: int = BUDGET_BYTES
    largest: float = 0.0
    tried_at: float | None = None
    done: bool = False

    @classmethod
    def starting(cls, batch_bytes: float, streams: int, budget: int = BUDGET_BYTES) -> Tuning:
        """Before anything was seen. batch_bytes: of a batch, as far as its spec tells; 0 where it does not."""
        tuning = cls(budget=budget, largest=batch_bytes)
        return replace(tuning, settings=Settings(tuning._within(DEFAULT_PREFETCH, streams)))

    def after(self, seen: Observation) -> Tuning:
        """With the settings for what was seen; the same where nothing was."""
        if not seen.did.batches or not seen.did.messages:
            return self
        largest = max(self.largest, seen.did.nbytes / seen.did.batches)
        return replace(self, largest=largest)._deepened(seen)._lengthened(seen)

    def _deepened(self, seen: Observation) -> Tuning:
        bursts = min(seen.part(seen.did.starved), seen.part(seen.did.blocked)) > WAITS
        depth = self._within(self.settings.prefetch * (2 if bursts else 1), seen.streams)
        return replace(self, settings=replace(self.settings, prefetch=depth))

    def _within(self, prefetch: int, streams: int) -> int:
        room = int(self.budget / (max(1.0, self.largest) * max(1, streams)))
        return max(LEAST_PREFETCH, min(prefetch, room, MOST_PREFETCH))

    def _lengthened(self, seen: Observation) -> Tuning:
        size = self.settings.message_bytes
        if self.tried_at is not None:
            if seen.rate < GAIN * self.tried_at:
                return replace(self._sized(size // 2), tried_at=None, done=True)
            return replace(self, tried_at=None)
        full = seen.did.sent / seen.did.messages >= FULL * size
        if self.done or not full or seen.part(seen.did.sending) <= SENDS or 2 * size > self._longest(seen):
            return self
        return replace(self._sized(2 * size), tried_at=seen.rate)

    def _longest(self, seen: Observation) -> float:
        """A message holds batches that were ready: it stays within the budget as they do."""
        return min(MOST_MESSAGE_BYTES, self.budget / seen.streams)

    def _sized(self, message_bytes: int) -> Tuning:
        return replace(self, settings=replace(self.settings, message_bytes=message_bytes))
