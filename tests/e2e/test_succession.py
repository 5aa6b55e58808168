"""The tasks of a job: one that hosted streams goes on with the chief's work when the chief is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import performance
from tests.e2e.stage import BATCH, Stage, ledger, small_project, until

pytestmark = pytest.mark.e2e

TASKS, STEPS = 2, 3000


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    running = Stage(tmp_path / "stage")
    yield running
    running.stop()


def tasks(stage: Stage, monkeypatch: pytest.MonkeyPatch, folder: Path, m: Path) -> list[subprocess.Popen[bytes]]:
    """The same command so many times, each told which task it is."""
    started = []
    for rank in range(TASKS):
        for name, value in {"WAFER_RANK": rank, "WAFER_TASKS": TASKS, "WAFER_SESSION": "job"}.items():
            monkeypatch.setenv(name, str(value))
        started.append(stage.task(f"task{rank}", folder, m, "--max_steps", str(STEPS)))
    return started


def test_a_task_takes_the_place_of_a_killed_chief(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows the run to its end, writes performance.json, and hosts meanwhile: no batch is lost or taken twice."""
    folder, model_dir = small_project(tmp_path / "p"), tmp_path / "m"
    chief, other = tasks(stage, monkeypatch, folder, model_dir)
    until(lambda: stage.run(model_dir).state == "running", "the run")
    chief.kill()
    chief.wait()
    assert other.wait(60) == 0, stage.said()
    assert "takes its place" in (stage.folder / "task1.log").read_text(), stage.said()
    assert performance(model_dir)["total_samples"] == STEPS * BATCH
    told = ledger(model_dir)
    assert f"{STEPS * BATCH:,} samples" in told.out, told.said
    assert "0 missing, 0 twice" in told.out, told.said
