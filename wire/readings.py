"""A seam's reading as it travels, and those of many streams and workers as one."""

from __future__ import annotations

from collections.abc import Iterable

from wire.seam import SeamReading
from wire.spread import Spread
from wire.v1 import run_pb2


def seam_message(reading: SeamReading, worker: str = "", stream: int | None = None) -> run_pb2.Seam:
    """A reading under the seam's own name, "name" or "name/stream"; `worker` is empty for the wafer's own seams.

    stream: goes before the one in the name; 0 where neither says.
    """
    name, _, of = reading.name.partition("/")
    return run_pb2.Seam(
        name=name,
        items=reading.items,
        put_wait=reading.put_wait,
        get_wait=reading.get_wait,
        occupancy=reading.occupancy,
        depth=reading.depth,
        capacity=reading.capacity,
        worker=worker,
        stream=int(of or 0) if stream is None else stream,
        put_waits=reading.put_waits.counts,
        get_waits=reading.get_waits.counts,
        bytes=reading.bytes,
    )


def reading_from(message: run_pb2.Seam) -> SeamReading:
    """Read what `seam_message` wrote, whoever's it is."""
    return SeamReading(
        message.name,
        message.items,
        message.put_wait,
        message.get_wait,
        message.occupancy,
        message.depth,
        message.capacity,
        Spread(tuple(message.put_waits)),
        Spread(tuple(message.get_waits)),
        message.bytes,
    )


def by_name(messages: Iterable[run_pb2.Seam]) -> dict[str, SeamReading]:
    """Name -> the seams of that name, of every worker and stream, as one reading; in the order in which they came."""
    found: dict[str, SeamReading] = {}
    for message in messages:
        reading = reading_from(message)
        found[message.name] = merged(found[message.name], reading) if message.name in found else reading
    return found


def merged(one: SeamReading, other: SeamReading) -> SeamReading:
    """Two seams as one: counts and seconds add up, the occupancy is the mean over the items of both."""
    items = one.items + other.items
    found = one.occupancy * one.items + other.occupancy * other.items
    return SeamReading(
        one.name,
        items,
        one.put_wait + other.put_wait,
        one.get_wait + other.get_wait,
        found / items if items else 0.0,
        one.depth + other.depth,
        one.capacity + other.capacity,
        one.put_waits + other.put_waits,
        one.get_waits + other.get_waits,
        one.bytes + other.bytes,
    )
