"""The tasks of a job: one that hosted streams goes on with the chief's work when the chief is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import project
from tests.e2e.harness import performance
from tests.e2e.stage import Stage, ledger, until

pytestmark = pytest.mark.e2e

SAMPLES = 30 * 20
GATED = """import os, pathlib, time
        while os.environ["WAFER_RANK"] != "0" and not pathlib.Path("open").exists():
            time.sleep(0.01)"""
"""In a worker no sample is read before there is a file."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    running = Stage(tmp_path / "stage")
    yield running
    running.stop()


def task(stage: Stage, monkeypatch: pytest.MonkeyPatch, rank: int, folder: Path) -> subprocess.Popen[bytes]:
    """The job's command, told which of two tasks it is."""
    for name, value in {"WAFER_RANK": rank, "WAFER_TASKS": 2, "WAFER_SESSION": "job"}.items():
        monkeypatch.setenv(name, str(value))
    return stage.task(f"task{rank}", folder, folder / "m")


def test_a_task_takes_the_place_of_a_killed_chief(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows the run to its end, writes performance.json, and hosts meanwhile: no batch is lost or taken twice."""
    folder = project.write(tmp_path / "p", data=project.MAP_STYLE, data_line=GATED)
    chief, other = (task(stage, monkeypatch, rank, folder) for rank in range(2))
    until(lambda: stage.run(folder / "m").state == "running", "the run")
    chief.kill()
    chief.wait()
    said = stage.folder / "task1.log"
    until(lambda: "takes its place" in said.read_text(), "a successor")
    (folder / "open").touch()
    assert other.wait(60) == 0, stage.said()
    assert performance(folder / "m")["total_samples"] == SAMPLES
    told = ledger(folder / "m")
    assert f"{SAMPLES:,} samples" in told.out, told.said
    assert "0 missing, 0 twice" in told.out, told.said
