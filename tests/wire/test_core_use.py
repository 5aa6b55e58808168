"""How busy the processors are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wire.core_use import IDLE, CoreMeter, Load, busiest, busy_of, process_seconds, since
from wire.v1 import run_pb2

LINES = """cpu  9 9 9 9 9 9 9 9 0 0
cpu0 100 10 20 1000 50 1 2 3 0 0
cpu1 200 0 0 1000 0 0 0 0 0 0
cpu10 900 0 0 0 0 0 0 0 0 0
intr 7
"""


@pytest.fixture
def stat(tmp_path: Path) -> Path:
    path = tmp_path / "stat"
    path.write_text(LINES)
    return path


def test_busy_is_all_that_is_not_idle_on_these_processors(stat: Path) -> None:
    """Waiting for a disk is idle; time that another machine took is not; other processors do not count."""
    ticks = os.sysconf("SC_CLK_TCK")
    assert busy_of(stat, {0}) == 136 / ticks
    assert busy_of(stat, {0, 1}) == 336 / ticks


def test_a_machine_that_does_not_tell_is_unknown(tmp_path: Path, stat: Path) -> None:
    """No file, or one that says nothing but zeros."""
    assert busy_of(tmp_path / "none", {0}) is None
    stat.write_text("cpu0 0 0 0 0 0 0 0 0 0 0\n")
    assert busy_of(stat, {0}) is None


def test_a_meter_counts_from_when_it_was_made(stat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of its clock, and busy seconds since then; of two readings the later part can be had."""
    monkeypatch.setattr("wire.cores._available", lambda: {0, 1})
    now = [50.0]
    meter = CoreMeter(stat, lambda: now[0])
    ticks = os.sysconf("SC_CLK_TCK")
    stat.write_text(LINES.replace("cpu1 200", f"cpu1 {200 + 3 * ticks}"))
    now[0] = 54.0
    first = meter.reading()
    assert (first.cores, first.busy_seconds, first.seconds) == (2, pytest.approx(3.0), 4.0)
    now[0] = 56.0
    later = since(meter.reading(), first)
    assert (later.busy_seconds, later.seconds) == (0.0, 2.0)


def test_without_the_operating_system_the_process_counts_itself(tmp_path: Path) -> None:
    """Its own processor time is what is left to tell."""
    meter = CoreMeter(tmp_path / "none")
    sum(range(2_000_000))
    assert meter.reading().busy_seconds > 0.0


def test_what_a_process_started_is_its_own() -> None:
    """While a child lives its time is counted, and it is not lost when the child has ended."""
    code = "import sys; sum(range(3_000_000)); print('done', flush=True); sys.stdin.read()"
    before = process_seconds()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        meanwhile = process_seconds()
        assert child.stdin is not None
        child.stdin.close()
        child.wait(20)
    assert before + 0.02 < meanwhile <= process_seconds() + 0.02


def test_the_busiest_machine_counts() -> None:
    """Its load is shares of all that its cores could do; of nothing measured there is none."""
    lazy = run_pb2.Cores(cores=8, busy_seconds=8.0, seconds=10.0, own_seconds=8.0)
    busy = run_pb2.Cores(cores=2, busy_seconds=15.0, seconds=10.0, own_seconds=5.0)
    assert busiest([lazy, busy, run_pb2.Cores(cores=2)]) == Load(0.75, 0.25)
    assert busiest([]) == IDLE
