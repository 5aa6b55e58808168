"""How long a person waits: `--help`, and until `wafer_sim serve` accepts connections."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Figure, Result
from benchmarks.service import coordinator

RUNS = 7


def measure() -> Result:
    """Whole processes, after one warm-up."""
    figures = [_help(name) for name in ("streamer", "wafer_sim")]
    serving = []
    for run in range(RUNS + 1):
        with tempfile.TemporaryDirectory() as name:
            begun = time.perf_counter()
            with coordinator(Path(name)):
                if run:
                    serving.append(time.perf_counter() - begun)
    figures.append(Figure("wafer_sim serve accepts", "s", serving, "<= 2 s", float(np.median(serving)) <= 2.0))
    return Result("startup", "python -m benchmarks startup", figures)


def _help(name: str) -> Figure:
    command = [str(Path(sys.executable).parent / name), "--help"]
    seconds = []
    for run in range(RUNS + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if run:
            seconds.append(time.perf_counter() - begun)
    return Figure(f"{name} --help", "s", seconds, "<= 0.3 s", float(np.median(seconds)) <= 0.3)
