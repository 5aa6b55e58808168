"""Memory: wafer process and workers over 20,000,000 samples, from the first fifth of the run to its end."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.measure import Figure, Result
from benchmarks.service import PROJECT, arguments, coordinator

SAMPLES, RATE = 20_000_000, 500_000
BATCH = 256
GROWTH_MIB = 32.0
ABOVE_IMPORTS_MIB = 350.0
_IMPORTS = "import psutil, streamer.worker, streamer.sources.parquet; print(psutil.Process().memory_info().rss)"
LEAVING = 6
"""Readings at the end, when processes give their memory back."""


def measure() -> Result:
    """Resident memory four times a second, in drain mode."""
    steps = SAMPLES // BATCH + 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with coordinator(folder) as (address, service):
            command = arguments(
                address, folder / "run", "--max_steps", str(steps), "runconfig.fabric_mode", "drain",
                "runconfig.drain_rate", str(RATE),
            )  # fmt: skip
            run = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            series = watch(run, service)
    figures, imported = [], _imported()
    for who, samples in sorted(series.items()):
        settled = samples[len(samples) // 5 : -LEAVING]
        part = len(settled) // 4
        growth = statistics.median(settled[-part:]) - statistics.median(settled[:part])
        figures.append(Figure(f"{who}: growth", "MiB", [growth], f"<= {GROWTH_MIB:g} MiB", growth <= GROWTH_MIB))
        figures.append(Figure(f"{who}: peak", "MiB", [max(settled)]))
        if who.startswith("worker"):
            above = max(settled) - imported
            bound = f"<= {ABOVE_IMPORTS_MIB:g} MiB"
            figures.append(Figure(f"{who}: above its imports", "MiB", [above], bound, above <= ABOVE_IMPORTS_MIB))
    notes = f"{SAMPLES:,} samples at {RATE:,} samples/s; a worker imports {imported:,.0f} MiB; "
    notes += "growth: the median of the last fifth over that of the second."
    return Result("memory", "python -m benchmarks memory", figures, notes)


def _imported() -> float:
    """Resident MiB of a process that has imported what a worker of a recipe does."""
    return int(subprocess.check_output([sys.executable, "-c", _IMPORTS])) / 2**20


def watch(run: subprocess.Popen[bytes], service: int) -> dict[str, list[float]]:
    """Process -> resident MiB over time, while the run lasts; readings of processes that had ended are left out."""
    series: dict[str, list[float]] = {}
    while run.poll() is None:
        for process in [*children(run.pid), *children(service)]:
            try:
                who = role(process)
                resident = process.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
            if who:
                series.setdefault(who, []).append(resident)
        time.sleep(0.25)
    assert run.returncode == 0, "the run failed"
    return series


def children(pid: int) -> list[psutil.Process]:
    """Every process below this one."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def role(process: psutil.Process) -> str:
    """What a process is, "" for none of ours."""
    words = " ".join(process.cmdline())
    if "wafer_sim.wafer_process" in words:
        return "wafer process"
    return f"worker {process.pid}" if "worker" in words else ""
