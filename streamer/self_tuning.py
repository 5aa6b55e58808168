"""The hand of the tuning: what a worker's streams read goes in, what they are told comes out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from streamer.hosting import Host
from streamer.stages.encode import Encoder
from streamer.tuning import Observation, Totals, Tuning
from wire.seam import SeamReading

log = logging.getLogger("streamer")


class SelfTuning:
    """Tunes the hosts of one run whenever it is told what they have read. One thread calls it."""

    def __init__(
        self, encoder: Encoder, tuning: Tuning | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._encoder = encoder
        self._tuning = tuning or Tuning()
        self._clock = clock
        self._before: dict[Host, Totals] = {}
        self._at = clock()

    def tune(self, read: Sequence[tuple[Host, Sequence[SeamReading]]]) -> None:
        """Set every host to what follows from what its seams have measured since the last time."""
        now, totals = self._clock(), {host: totals_of(readings) for host, readings in read}
        steps = [total.since(self._before[host]) for host, total in totals.items() if host in self._before]
        went_on = [step for step in steps if step.went_on]
        seconds, streams = now - self._at, len(went_on)
        did = added(went_on)
        self._before, self._at = totals, now
        if streams and seconds > 0:
            self._tell(self._tuning.after(Observation(streams, seconds, did)))
        for host in totals:
            host.resize(self._tuning.settings.prefetch)

    def _tell(self, tuning: Tuning) -> None:
        settings = tuning.settings
        if settings != self._tuning.settings:
            message = settings.message_bytes / 2**20
            log.info("tuned: %d batches ready in each stream, messages of %g MiB", settings.prefetch, message)
        self._tuning = tuning
        self._encoder.message_bytes = settings.message_bytes


def totals_of(readings: Iterable[SeamReading]) -> Totals:
    """What one stream has done, by its seams: "wire", and the prefetch."""
    total = Totals()
    for each in readings:
        if each.name == "wire":
            total = added((total, Totals(messages=each.items, sent=each.bytes, sending=each.put_wait)))
        else:
            total = added((total, Totals(each.items, each.bytes, each.get_wait, each.put_wait)))
    return total


def added(totals: Iterable[Totals]) -> Totals:
    """The sum of several streams'."""
    none = Totals()
    total = none
    for each in totals:
        total = total.since(none.since(each))
    return total
