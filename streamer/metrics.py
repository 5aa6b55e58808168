"""What a worker tells Prometheus: its streams, and every seam of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wire.metrics import Metric, Sample, SeamMetrics
from wire.readings import reading_from
from wire.v1 import run_pb2

STREAMS = Metric("streamer_streams", "gauge", "Streams that the worker hosts now.")
_SEAMS = SeamMetrics("streamer", ("seam", "stream"))
METRICS = (STREAMS, *_SEAMS.all)


def samples(seams: Iterable[run_pb2.Seam]) -> Iterator[Sample]:
    """Of the worker's latest readings. A push that broke off counts from the beginning again, as a counter may."""
    seams = list(seams)
    yield STREAMS, (), len({seam.stream for seam in seams})
    for seam in seams:
        yield from _SEAMS.samples((seam.name, str(seam.stream)), reading_from(seam))
