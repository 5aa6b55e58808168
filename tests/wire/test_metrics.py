"""Metrics for Prometheus: declared once, served on this machine."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wire.errors import Exhausted, InvalidInput
from wire.metrics import Metric, MetricsServer, Sample, SeamMetrics, serve_metrics
from wire.seam import SeamReading
from wire.spread import Spread

TEMPERATURE = Metric("x_temperature", "gauge", "How warm it is.", ("room",))
IDLE = Metric("x_idle_total", "counter", "Nothing has it yet.")
SEAMS = SeamMetrics("x", ("seam",))
METRICS = (TEMPERATURE, IDLE, *SEAMS.all)
WAITS = Spread.of([0.0, 2e-6, 0.5])


def samples() -> Iterator[Sample]:
    yield TEMPERATURE, ("hall",), 21.5
    yield from SEAMS.samples(("wire",), SeamReading("wire", 3, 1.5, 0.5, 0.0, 0, 1, WAITS, Spread(), 300))


def fetched(server: MetricsServer) -> str:
    with urllib.request.urlopen(f"http://localhost:{server.port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def text() -> Iterator[str]:
    server = serve_metrics(0, METRICS, samples)
    yield fetched(server)
    server.close()


def test_every_declared_metric_is_served_with_its_kind_and_its_meaning(text: str) -> None:
    """One that has no value yet is there too, so that a dashboard finds it."""
    for metric in METRICS:
        assert f"# TYPE {metric.name} {metric.kind}\n" in text
        assert f"# HELP {metric.name} {metric.help}\n" in text


def test_values_have_their_labels(text: str) -> None:
    """A gauge and a counter as they were given."""
    assert 'x_temperature{room="hall"} 21.5' in text
    assert 'x_seam_items_total{seam="wire"} 3.0' in text
    assert 'x_seam_bytes_total{seam="wire"} 300.0' in text


def test_a_spread_is_a_histogram(text: str) -> None:
    """Buckets are cumulative and end with all; the sum is that of the seam's own clock."""
    found = {family.name: family for family in text_string_to_metric_families(text)}
    histogram = found["x_seam_put_wait_seconds"].samples
    counts = [sample.value for sample in histogram if sample.name.endswith("_bucket")]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 3)
    assert [sample.value for sample in histogram if sample.name.endswith(("_sum", "_count"))] == [3, 1.5]
    (below,) = [s.value for s in histogram if s.labels.get("le") == "4e-06"]
    assert below == 2


def test_the_process_itself_is_measured(text: str) -> None:
    """Processor time and memory of who serves."""
    assert "process_cpu_seconds_total" in text
    assert "process_resident_memory_bytes" in text


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    """With what to do; a number that is no port is another."""
    server = serve_metrics(0, (), lambda: ())
    with pytest.raises(Exhausted, match="metrics cannot be served") as taken:
        serve_metrics(server.port, (), lambda: ())
    assert "--metrics-port" in str(taken.value.fix)
    server.close()
    with pytest.raises(InvalidInput, match="no port"):
        serve_metrics(70_000, (), lambda: ())


def test_a_closed_server_gives_its_port_back() -> None:
    """Another one can take it at once."""
    server = serve_metrics(0, METRICS, samples)
    server.close()
    again = serve_metrics(server.port, METRICS, samples)
    assert "x_temperature" in fetched(again)
    again.close()
