"""The hand of the tuning: seams in, sizes of seams and messages out."""

from __future__ import annotations

from typing import Any, cast

from streamer.hosting import Host
from streamer.self_tuning import SelfTuning, totals_of
from streamer.stages.encode import Encoder
from streamer.tuning import DEFAULT_PREFETCH, MESSAGE_BYTES, Totals
from wire.elements import ElementSpec, Field
from wire.seam import SeamReading

MIB = 2**20


class FakeHost:
    """Notes its size."""

    def __init__(self) -> None:
        self.prefetch = 0

    def resize(self, prefetch: int) -> None:
        self.prefetch = prefetch


class Clock:
    """A second later each time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def readings(batches: int, waited: float, messages: int, sending: float) -> list[SeamReading]:
    """Batches of 1 MiB, and messages of MESSAGE_BYTES."""
    ready = SeamReading("prefetch/0", batches, waited, waited, 0.0, 0, 16, bytes=batches * MIB)
    return [ready, SeamReading("wire", messages, sending, 0.0, 0.0, 0, 1, bytes=messages * MESSAGE_BYTES)]


def tuned(*told: list[SeamReading]) -> tuple[FakeHost, Encoder]:
    """One host, after each of these readings."""
    host, encoder = FakeHost(), Encoder(ElementSpec((Field("x", "float32", (4,)),)))
    tuning = SelfTuning(encoder, clock=Clock())
    for each in told:
        tuning.tune([(cast(Any, host), each)])
    return host, encoder


def test_totals_are_told_apart_by_the_seam() -> None:
    """What waits at the wire is sending, what waits at the prefetch is one of its two sides."""
    assert totals_of(readings(3, 0.5, 2, 0.25)) == Totals(3, 3 * MIB, 0.5, 0.5, 2, 2 * MESSAGE_BYTES, 0.25)


def test_the_first_reading_sets_the_default() -> None:
    """There is nothing yet to compare it with."""
    host, encoder = tuned(readings(100, 9.0, 100, 9.0))
    assert (host.prefetch, encoder.message_bytes) == (DEFAULT_PREFETCH, MESSAGE_BYTES)


def test_what_was_done_between_two_readings_decides() -> None:
    """Both sides waited in that second, and sending took most of it: more room, larger messages."""
    host, encoder = tuned(readings(100, 1.0, 25, 1.0), readings(200, 1.5, 50, 1.9))
    assert (host.prefetch, encoder.message_bytes) == (2 * DEFAULT_PREFETCH, 2 * MESSAGE_BYTES)


def test_a_push_that_began_anew_is_not_compared() -> None:
    """Its counters are less than before: that second says nothing."""
    host, encoder = tuned(readings(100, 1.0, 25, 1.0), readings(10, 0.5, 3, 0.5))
    assert (host.prefetch, encoder.message_bytes) == (DEFAULT_PREFETCH, MESSAGE_BYTES)


def test_a_host_is_hashable() -> None:
    """It is known again by what it is."""
    assert Host.__hash__ is not None
