"""What a coordinator and a worker tell Prometheus is what docs/metrics.md says."""

from __future__ import annotations

import importlib.util
import re
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

import streamer.metrics
from tests.wafer_sim.service.statuses import busy_status
from wafer_sim.service import metrics
from wafer_sim.service.server import Service, Settings
from wire.metrics import Metric, Sample, Waits, families

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
NAMED = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/generate_metrics.py as a module."""
    spec = importlib.util.spec_from_file_location("generate_metrics", ROOT / "scripts/generate_metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared(part: str) -> set[tuple[str, str]]:
    """The names and kinds that the page has in the part of this name."""
    return set(NAMED.findall(PAGE.partition(f"## {part}")[2].partition("\n## ")[0]))


def values(samples: Iterable[Sample]) -> dict[tuple[str, ...], float | Waits]:
    return {(metric.name, *labels): value for metric, labels, value in samples}


def test_the_page_is_what_is_declared(script: ModuleType, tmp_path: Path) -> None:
    """It was generated from the declarations as they are now; drift is an error until it is written again."""
    assert script.main(["--check"]) == 0
    page = tmp_path / "metrics.md"
    assert script.main(["--check"], page) == 1
    assert script.main([], page) == 0
    assert script.main(["--check"], page) == 0


def test_a_coordinator_serves_what_the_page_says(tmp_path: Path) -> None:
    """No metric more and none less, each of its kind, beside those of the process."""
    service = Service(Settings(tmp_path, port=0, metrics_port=0))
    service.start()
    try:
        with urllib.request.urlopen(f"http://{service.metrics_address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        service.stop()
    served = set(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert {(name, kind) for name, kind in served if not name.startswith("process_")} == declared("The coordinator")


def test_every_metric_of_a_coordinator_has_a_value_when_a_run_needs_workers() -> None:
    """Nothing is declared that is never told, with as many labels as were declared."""
    samples = list(metrics.samples(busy_status()))
    assert {metric for metric, _, _ in samples} == set(metrics.METRICS)
    assert all(len(labels) == len(metric.labels) for metric, labels, _ in samples)
    found = values(samples)
    assert found["wafer_sim_runs", "running"] == 1
    assert found["wafer_sim_runs", "queued"] == 1
    assert found["wafer_sim_workers_needed", "run-1"] == 4
    assert found["wafer_sim_worker_samples_per_second", "run-1", "host:1"] == 450.0
    assert found["wafer_sim_seam_items_total", "run-1", "prefetch"] == 40


def test_stall_and_busy_time_make_up_the_time_measured() -> None:
    """Whoever adds them up in a dashboard gets the whole."""
    found = values(metrics.samples(busy_status()))
    seconds, busy, stall = (
        found[f"wafer_sim_{name}_total", "run-1"] for name in ("seconds", "busy_seconds", "stall_seconds")
    )
    assert isinstance(seconds, float)
    assert isinstance(busy, float)
    assert isinstance(stall, float)
    assert busy + stall == pytest.approx(seconds, rel=0.01)


def test_every_metric_of_a_worker_has_a_value() -> None:
    """For each of its seams, and how many streams it has."""
    seams = [seam for seam in busy_status().runs[0].seams if seam.worker == "host:1"]
    samples = list(streamer.metrics.samples(seams))
    assert {metric for metric, _, _ in samples} == set(streamer.metrics.METRICS)
    assert values(samples)["streamer_streams",] == 2
    assert {(metric.name, metric.kind) for metric in streamer.metrics.METRICS} == declared("A worker")


def test_a_metric_that_was_not_declared_is_not_served() -> None:
    """It would not be on the page."""
    with pytest.raises(KeyError):
        families([], [(Metric("other", "gauge", "Not declared."), (), 1.0)])
