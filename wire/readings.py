"""A seam's reading as it travels."""

from __future__ import annotations

from wire.seam import SeamReading
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
    )
