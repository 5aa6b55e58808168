"""Metrics for Prometheus: what they are called, how readings become them, and where they are served.

A metric is declared once, as data: the page docs/metrics.md is written from it, and what is served is checked against
it. prometheus_client is imported only where metrics are served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wire.errors import Exhausted, InvalidInput
from wire.seam import SeamReading
from wire.spread import BUCKETS, Spread

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

ADDRESS = "localhost"
_BOUNDS = (*range(0, BUCKETS - 1, 8), BUCKETS - 1)
"""Every eighth bucket of wire/spread.py: bounds a factor of four apart, from a microsecond on."""

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """name: as Prometheus shows it; that of a counter ends in _total. labels: their names, in order."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waits:
    """The value of a histogram. seconds: of all waits together."""

    spread: Spread
    seconds: float


Value = float | Waits
Sample = tuple[Metric, tuple[str, ...], Value]
"""A metric, the values of its labels, and its own value."""


class SeamMetrics:
    """The metrics of seams, under a prefix, with the labels that tell one seam from another ("seam" among them)."""

    def __init__(self, prefix: str, labels: tuple[str, ...]) -> None:
        def metric(name: str, kind: Kind, text: str) -> Metric:
            return Metric(f"{prefix}_seam_{name}", kind, text, labels)

        self.items = metric("items_total", "counter", "Items put into the seam.")
        self.bytes = metric("bytes_total", "counter", "Bytes put into the seam, where they are counted.")
        self.depth = metric("depth", "gauge", "Items in the seam now.")
        self.capacity = metric("capacity", "gauge", "Items that the seam holds at most.")
        self.put = metric("put_wait_seconds", "histogram", "How long each item waited for room (wire: was being sent).")
        self.get = metric("get_wait_seconds", "histogram", "How long an item was waited for (wire: leave to send).")

    @property
    def all(self) -> tuple[Metric, ...]:
        return self.items, self.bytes, self.depth, self.capacity, self.put, self.get

    def samples(self, labels: tuple[str, ...], reading: SeamReading) -> Iterator[Sample]:
        """One reading under these values of the labels."""
        yield self.items, labels, reading.items
        yield self.bytes, labels, reading.bytes
        yield self.depth, labels, reading.depth
        yield self.capacity, labels, reading.capacity
        yield self.put, labels, Waits(reading.put_waits, reading.put_wait)
        yield self.get, labels, Waits(reading.get_waits, reading.get_wait)


def families(metrics: Sequence[Metric], samples: Iterable[Sample]) -> list[Family]:
    """Every metric, with its samples, as prometheus_client collects them; one without samples is there all the same."""
    found = {metric: _family(metric) for metric in metrics}
    for metric, labels, value in samples:
        if isinstance(value, Waits):
            found[metric].add_metric(labels, buckets=_buckets(value.spread), sum_value=value.seconds)
        else:
            found[metric].add_metric(labels, value)
    return list(found.values())


def serve_metrics(port: int, metrics: Sequence[Metric], samples: Callable[[], Iterable[Sample]]) -> MetricsServer:
    """Serve /metrics on this machine: these metrics, read when they are asked for, and those of this process.

    port 0: any free one. Raises InvalidInput for what is no port, Exhausted for one that is taken.
    """
    if not 0 <= port < 2**16:
        raise InvalidInput(f"{port} is no port", where="--metrics-port", fix="choose one from 0 to 65535")
    from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
    from prometheus_client.registry import Collector

    class Readings(Collector):
        def collect(self) -> Iterator[Family]:
            yield from families(metrics, samples())

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Readings())
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        what = f"metrics cannot be served at {ADDRESS}:{port}: {error.strerror}"
        raise Exhausted(what, fix="choose another --metrics-port; 0 takes any free one") from error
    return MetricsServer(server.server_port, server.shutdown, server.server_close, thread.join)


class MetricsServer:
    """Serves until it is closed."""

    def __init__(self, port: int, *ending: Callable[[], object]) -> None:
        self.port = port
        self._ending = ending

    def close(self) -> None:
        """Stop, and let go of the port."""
        for step in self._ending:
            step()


def markdown(metrics: Iterable[Metric]) -> str:
    """A table of metrics, as docs/metrics.md has it."""
    rows = [f"| `{each.name}` | {each.kind} | {_listed(each.labels)} | {each.help} |\n" for each in metrics]
    return "".join(("| metric | kind | labels | what it says |\n|---|---|---|---|\n", *rows))


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _family(metric: Metric) -> Any:
    """An empty family; what its add_metric takes depends on its kind."""
    from prometheus_client import core

    kinds = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }
    return kinds[metric.kind](metric.name, metric.help, labels=metric.labels)


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    return [("+Inf" if end == float("inf") else f"{end:g}", count) for end, count in spread.up_to(_BOUNDS)]
