"""Is what the verdict recommends right? Rates predicted for other numbers of workers, against those measured.

Workers read from a device that takes a fixed time for each batch (benchmarks/thinking), so they wait and need hardly a
core: here workers are the limit, not cores. The wafer takes what three and a half of them bring. Each hosts one stream.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator
from wafer_sim.verdict import Rates
from wire.core_use import Load

PARAMS = Path(__file__).parent / "thinking" / "params.yaml"
BATCH, THINK_SECONDS = 32, 0.02
OF_A_WORKER = BATCH / THINK_SECONDS
TAKES = 3.5 * OF_A_WORKER
SECONDS = 12.0
WORKERS = (1, 2, 3, 4)
PREDICTED = (1, 2, 3)
WITHIN = 0.15


def measure() -> Result:
    """A run for each number of workers; each of the first three predicts the rates of the others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, _):
            runs = {workers: _run(address, folder / f"model{workers}", workers) for workers in WORKERS}
    figures = [Figure(f"{workers} workers", "samples/s", [_rate(run)]) for workers, run in runs.items()]
    misses = [value for _, _, value in misses_of(runs)]
    figures.append(
        Figure("predicted / measured - 1", "", misses, f"within {WITHIN:.0%}", max(map(abs, misses)) <= WITHIN)
    )
    needed = [float(runs[workers]["workers_needed"] or 0) for workers in PREDICTED]
    figures.append(Figure("workers recommended", "", needed, "4", set(needed) == {4.0}))
    kept = runs[4]["accelerator_utilization"]
    figures.append(Figure("AU with as many", "", [kept], ">= 0.9", kept >= 0.9))
    for name in ("busy", "ours"):
        shares = [machine[name] for run in runs.values() for machine in run["machines"]]
        figures.append(Figure({"busy": "cores busy", "ours": "cores busy with the run"}[name], "", shares))
    return Result("recommendation", "python -m benchmarks recommendation", figures, _notes(runs))


def misses_of(runs: Mapping[int, Mapping[str, Any]]) -> list[tuple[int, int, float]]:
    """(workers of the run, workers predicted, predicted / measured - 1), each of PREDICTED from each other."""
    pairs = [(of, to) for of in PREDICTED for to in PREDICTED if of != to]
    return [(of, to, rates_of(runs[of]).with_workers(to) / _rate(runs[to]) - 1.0) for of, to in pairs]


def rates_of(performance: Mapping[str, Any]) -> Rates:
    """What a performance.json says of rates."""
    load = max((Load(each["busy"], each["ours"]) for each in performance["machines"]), key=lambda load: load.busy)
    return Rates.of(_rate(performance), performance["accelerator_utilization"], performance["workers"], load)


def _rate(performance: Mapping[str, Any]) -> float:
    return float(performance["samples_per_sec"])


def _run(address: str, model_dir: Path, workers: int) -> dict[str, Any]:
    steps = int(SECONDS * min(workers * OF_A_WORKER, TAKES) / BATCH)
    command = [sys.executable, "-m", "benchmarks.thinking.run", "--mode", "train", "--params", str(PARAMS)]
    command += ["--cs_ip", address, "--model_dir", str(model_dir), "--num_workers", str(workers)]
    command += ["--max_steps", str(steps), "runconfig.num_streams", str(workers), "runconfig.drain_rate", str(TAKES)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads((model_dir / "performance.json").read_text())
    return result


def _notes(runs: Mapping[int, Mapping[str, Any]]) -> str:
    said = "; ".join(f"from {of} for {to}: {miss:+.1%}" for of, to, miss in misses_of(runs))
    return f"A worker gives {OF_A_WORKER:,.0f} samples/s, the wafer takes {TAKES:,.0f}. {said}."
