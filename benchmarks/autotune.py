"""Prefetch and message size as workers find them, beside the fixed default: for a cheap input, and for a slow one."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator
from benchmarks.thinking import data as thinking
from clients.analysis.draining import Drain, Source, drained
from streamer.pipeline import loader_input
from streamer.recipe import Recipe
from streamer.tuning import DEFAULT_PREFETCH

RUNS = 5
FIXED, TUNED = DEFAULT_PREFETCH, 0
NOISE = 0.05
"""How far the tuned median may lie below the fixed one: two medians of the same setting differ as much here."""

THINKING = Path(thinking.__file__)
PARAMS = THINKING.parent / "params.yaml"


def measure() -> Result:
    """Alternating pairs, one of them to warm up; the ratio pair by pair."""
    figures = []
    with tempfile.TemporaryDirectory() as name, coordinator(Path(name)) as (address, _):
        for what, (source, steps) in inputs().items():
            pairs = [_pair(address, Path(name) / f"{what}{run}", source, steps) for run in range(RUNS + 1)][1:]
            figures += figures_of(what, pairs)
    notes = f"{RUNS} alternating pairs, two workers, drained. fixed: prefetch {FIXED}, messages of 4 MiB."
    return Result("autotune", "python -m benchmarks autotune", figures, notes)


def figures_of(what: str, pairs: list[tuple[float, float]]) -> list[Figure]:
    """The rates of (fixed, tuned) runs of an input, and whether tuning cost more than noise."""
    ratios = [tuned / fixed for fixed, tuned in pairs]
    met = statistics.median(ratios) >= 1 - NOISE
    return [
        Figure(f"{what}: fixed", "samples/s", [fixed for fixed, _ in pairs]),
        Figure(f"{what}: tuned", "samples/s", [tuned for _, tuned in pairs]),
        Figure(f"{what}: tuned / fixed", "", ratios, f">= {1 - NOISE:.2f}", met),
    ]


def inputs() -> Mapping[str, tuple[Source, int]]:
    """Each input, and for how many steps: long enough that the tuning has settled in the first part."""
    columns = {"x": {"dtype": "float32", "shape": [1024]}}
    section = {"format": "synthetic", "rows": 16_384, "batch_size": 256, "columns": columns}
    params = yaml.safe_load(PARAMS.read_text())
    slow = loader_input(thinking.get_train_dataloader(params))
    options = ("--data", str(THINKING), "--params", str(PARAMS))
    batch = int(params["train_input"]["batch_size"])
    return {
        "cheap": (Source.of(Recipe.from_params(section, "train_input")), 8_000),
        "thinking": (Source(slow.spec, batch, slow.rows, False, loader=options), 600),
    }


def _pair(address: str, folder: Path, source: Source, steps: int) -> tuple[float, float]:
    fixed, tuned = (
        drained(address, folder / str(prefetch), source, Drain(steps, prefetch=prefetch)).progress.samples_per_second
        for prefetch in (FIXED, TUNED)
    )
    return fixed, tuned
