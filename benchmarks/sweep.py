"""The rate of the data plane against workers, batch size and sample size: synthetic rows, drained as they come."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator

PARAMS = Path(__file__).parent / "sized" / "params.yaml"
WORKERS = (1, 2, 3, 4)
BATCHES = (16, 64, 256, 1024, 4096)
SAMPLES = (64, 784, 3136, 12_544, 50_176)
"""Bytes of a sample."""
DEFAULT = (2, 256, 784)
BYTES, LEAST, MOST = 2 << 30, 500, 20_000
"""A run moves so many bytes, in so many steps."""
ROUNDS = 3


def measure() -> Result:
    """Each is changed while the others stay as they are by default; rounds alternate."""
    workers, batch, sample = DEFAULT
    runs = {f"{number} workers": (number, batch, sample) for number in WORKERS}
    runs |= {f"batch {size}": (workers, size, sample) for size in BATCHES}
    runs |= {f"sample {size} B": (workers, batch, size) for size in SAMPLES}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as name, coordinator(Path(name)) as (address, _):
        for number in range(ROUNDS):
            for run, settings in runs.items():
                rates[run].append(_rate(address, Path(name) / f"{number} {run}", *settings))
    figures = [Figure(run, "samples/s", values) for run, values in rates.items()]
    return Result(
        "sweep", "python -m benchmarks sweep", figures, f"By default {workers} workers, batch {batch}, {sample} B."
    )


def steps_of(batch: int, sample: int) -> int:
    """Steps of a run: enough to be measured, few enough to end."""
    return max(LEAST, min(MOST, BYTES // (batch * sample)))


def _rate(address: str, model_dir: Path, workers: int, batch: int, sample: int) -> float:
    command = [sys.executable, "-m", "benchmarks.sized.run", "--mode", "train", "--params", str(PARAMS)]
    command += ["--cs_ip", address, "--model_dir", str(model_dir), "--num_workers", str(workers)]
    command += ["--max_steps", str(steps_of(batch, sample))]
    command += ["train_input.batch_size", str(batch), "train_input.sample_bytes", str(sample)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads((model_dir / "performance.json").read_text())
    return float(result["samples_per_sec"])
