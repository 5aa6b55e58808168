"""Kills of every role at every moment: the weights of an undisturbed run, and a ledger that holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.faults.proof import orphans
from tests.e2e.harness import Service, weights_digest
from tests.e2e.stage import BATCH, EPOCH, STEPS, Stage, ledger, small_project, until

pytestmark = pytest.mark.e2e

HALF = 330


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project(tmp_path_factory.mktemp("project") / "p")


@pytest.fixture(scope="module")
def whole(shared_service: Service, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights after all steps of an undisturbed run with one worker."""
    model_dir = tmp_path_factory.mktemp("whole")
    options = ("--model_dir", str(model_dir), "--num_workers", "1")
    done = shared_service.run(*options, cwd=folder, params="params.yaml")
    assert done.code == 0, done.said
    return weights_digest(model_dir, STEPS)


@pytest.fixture(scope="module")
def half(shared_service: Service, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a run with two workers that ended in the middle of an epoch."""
    model_dir = tmp_path_factory.mktemp("half")
    options = ("--model_dir", str(model_dir), "--max_steps", str(HALF))
    done = shared_service.run(*options, cwd=folder, params="params.yaml")
    assert done.code == 0, done.said
    return model_dir


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    running = Stage(tmp_path_factory.mktemp("stage"))
    yield running
    running.stop()


def before_the_first_batch(stage: Stage, model_dir: Path) -> bool:
    return stage.run(model_dir).state in ("starting", "running")


def mid_epoch(stage: Stage, model_dir: Path) -> bool:
    return stage.run(model_dir).progress.step >= 2.5 * EPOCH


def during_a_checkpoint(stage: Stage, model_dir: Path) -> bool:
    return any(model_dir.glob(".checkpoint_[1-9]*.new"))


def at_an_epochs_end(stage: Stage, model_dir: Path) -> bool:
    return stage.run(model_dir).progress.step >= 4 * EPOCH


def at_the_last_step(stage: Stage, model_dir: Path) -> bool:
    return any(model_dir.glob(f"*checkpoint_{STEPS}*"))


MOMENTS = (before_the_first_batch, mid_epoch, during_a_checkpoint, at_an_epochs_end, at_the_last_step)
FLEETING = (during_a_checkpoint, at_the_last_step)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("role", ["worker", "wafer", "coordinator", "chief"])
def test_a_kill_changes_nothing(
    stage: Stage, folder: Path, whole: str, tmp_path: Path, role: str, moment: Callable[[Stage, Path], bool]
) -> None:
    """SIGKILL of one role at one moment: the run goes on to the same bits, with no sample missing or taken twice."""
    stage.staff(2)
    model_dir = tmp_path / "m"
    chief = stage.chief(folder, model_dir)
    until(lambda: moment(stage, model_dir), moment.__name__, pause=0.002 if moment in FLEETING else 0.02)
    if role == "worker":
        stage.workers[0].kill()
        stage.workers[0].wait()
        stage.staff(2)
    elif role == "wafer":
        stage.kill_wafer()
    elif role == "coordinator":
        stage.restart()
    else:
        chief.kill()
        chief.wait()
        chief = stage.chief(folder, model_dir)
    assert chief.wait(90) == 0, stage.said()
    assert weights_digest(model_dir, STEPS) == whole
    _holds(model_dir)


@pytest.mark.parametrize("workers", ["1", "2", "3", "5"])
def test_a_run_is_resumed_with_another_number_of_workers(
    shared_service: Service, folder: Path, whole: str, half: Path, tmp_path: Path, workers: str
) -> None:
    """What two workers began, any number of workers ends with the bits of one."""
    _resumed(shared_service, folder, shutil.copytree(half, tmp_path / "m"), whole, "--num_workers", workers)


@pytest.mark.parametrize("streams", ["1", "3", "7"])
def test_a_run_is_resumed_with_another_number_of_streams(
    shared_service: Service, folder: Path, whole: str, half: Path, tmp_path: Path, streams: str
) -> None:
    """Rows are cut anew in the middle of an epoch, and each is taken once all the same."""
    _resumed(shared_service, folder, shutil.copytree(half, tmp_path / "m"), whole, "--num_streams", streams)


def test_a_run_is_not_resumed_with_another_batch_size(
    shared_service: Service, folder: Path, half: Path, tmp_path: Path
) -> None:
    """A cursor would mean other rows; the error says what it was and what it is."""
    model_dir = shutil.copytree(half, tmp_path / "m")
    options = ("--model_dir", str(model_dir), "train_input.batch_size", "40")
    done = shared_service.run(*options, cwd=folder, params="params.yaml")
    assert done.code == 1
    assert f"the batch size was 20 at the checkpoint of step {HALF} and is 40 now" in done.err


@pytest.mark.timeout(240)
def test_nothing_is_left_of_a_run_whose_processes_were_killed(tmp_path: Path) -> None:
    """Ten seconds after SIGKILL to coordinator, chief and workers there is no process, no shared memory of theirs."""
    assert orphans(tmp_path / "run", workers=1) == []


def _resumed(service: Service, folder: Path, model_dir: Path, whole: str, *options: str) -> None:
    done = service.run("--model_dir", str(model_dir), *options, cwd=folder, params="params.yaml")
    assert done.code == 0, done.said
    assert weights_digest(model_dir, STEPS) == whole
    _holds(model_dir)


def _holds(model_dir: Path) -> None:
    told = ledger(model_dir)
    assert told.code == 0, told.said
    assert f"{STEPS * BATCH:,} samples in {STEPS // EPOCH} epochs: 0 missing, 0 twice" in told.out, told.said
