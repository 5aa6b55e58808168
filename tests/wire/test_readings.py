"""Readings as they travel, and as one."""

from __future__ import annotations

from wire.readings import by_name, reading_from, seam_message
from wire.seam import SeamReading
from wire.spread import Spread


def reading(items: int, occupancy: float, *waits: float, name: str = "prefetch/1") -> SeamReading:
    spread = Spread.of(waits)
    return SeamReading(name, items, 1.0, 2.0, occupancy, 3, 16, spread, spread + spread, 10 * items)


def test_a_reading_comes_back_as_it_went() -> None:
    """Everything but the stream, which goes its own way."""
    sent = reading(7, 2.5, 0.1, 0.0)
    message = seam_message(sent, "host:1")
    assert (message.name, message.stream, message.worker) == ("prefetch", 1, "host:1")
    assert reading_from(message) == SeamReading("prefetch", 7, 1.0, 2.0, 2.5, 3, 16, sent.put_waits, sent.get_waits, 70)


def test_seams_of_one_name_are_one_reading() -> None:
    """Counts, bytes, seconds and spreads of all workers and streams add up; the occupancy is the mean over items."""
    messages = [
        seam_message(reading(30, 1.0, 0.5), "a"),
        seam_message(reading(10, 5.0, 0.5, 0.25), "b"),
        seam_message(reading(4, 0.0, name="wire"), "b"),
    ]
    found = by_name(messages)
    assert list(found) == ["prefetch", "wire"]
    both = found["prefetch"]
    assert (both.items, both.bytes, both.put_wait, both.get_wait, both.depth, both.capacity) == (40, 400, 2, 4, 6, 32)
    assert both.occupancy == 2.0
    assert both.put_waits == Spread.of([0.5, 0.5, 0.25])
    assert found["wire"].items == 4
