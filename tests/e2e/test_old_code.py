"""Code of CSoft's time, by the documents' commands: its own loop trains on the wafer, and saves; and in other tasks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from compat.start import environment
from tests.e2e import old_project
from tests.e2e.harness import Finished, python
from tests.e2e.stage import Stage, ledger, until

pytestmark = pytest.mark.e2e

GATED = """class Gated(torch.utils.data.Dataset):
    read = 0

    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, row):
        import os, pathlib, time

        Gated.read += 1
        while os.environ.get("WAFER_RANK", "0") != "0" and Gated.read > 16 * 450 and not pathlib.Path("open").exists():
            time.sleep(0.01)
        return tuple(tensor[row] for tensor in self.tensors)


def loader():"""
"""In a worker no more than so many samples are read before there is a file."""
DEADLY = """def save(model, optimizer, step):
    import os, pathlib, signal

    if step == 1200 and pathlib.Path("deadly").exists():
        pathlib.Path("deadly").rename("deadlier")
        os.kill(os.getpid(), signal.SIGKILL)
"""
"""Where there is a file, the first task that comes to the last step dies before it saves."""
LONGER = {
    "Constant(optimizer, 0.5)": "Constant(optimizer, 0.002)",
    "set_run_config(40, 20, 10)": "set_run_config(1200, 200, 100)",
    "step % 10": "step % 100",
    "step % 20": "step % 200",
    "40": "1200",
}
KILLED = {
    'args.cs_ip + ":9000"': "args.cs_ip",
    "def loader():": GATED,
    "torch.utils.data.TensorDataset(": "Gated(",
    "def save(model, optimizer, step):\n": DEADLY,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """The project's folder after an undisturbed run, and what was said."""
    folder = old_project.write(tmp_path_factory.mktemp("whole") / "p", LONGER)
    launch = ("-m", "compat.launch", "csrun_wse", "--tasks-per-node", "2", "python-pt", "run.py")
    return folder, python(*launch, cwd=folder)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Whose processes are of that time."""
    for name, value in environment(dict(os.environ)).items():
        monkeypatch.setenv(name, value)
    running = Stage(tmp_path / "stage")
    yield running
    running.stop()


def losses(said: str) -> list[tuple[str, str]]:
    """Step and loss of each of the loop's own lines."""
    return re.findall(r"Device=xla:0, Step=(\d+), Loss=([0-9.]+)", said)


def tasks(stage: Stage, monkeypatch: pytest.MonkeyPatch, folder: Path, count: int) -> list[subprocess.Popen[bytes]]:
    """The tasks of a job; what they say goes to task<rank>.log."""
    started = []
    for rank in range(count):
        for name, value in {"WAFER_RANK": rank, "WAFER_TASKS": count, "WAFER_SESSION": "job"}.items():
            monkeypatch.setenv(name, str(value))
        started.append(stage.start(f"task{rank}", [sys.executable, "run.py", "--cs_ip", stage.address], cwd=folder))
    return started


def test_a_loop_of_that_time_is_driven_by_the_wafer(whole: tuple[Path, Finished]) -> None:
    """Losses in its own log lines fall; its checkpoint is the one of that time."""
    folder, done = whole
    assert done.code == 0, done.said
    seen = [float(loss) for _, loss in losses(done.out)]
    assert len(seen) == 12
    assert seen[-1] < 0.5 * seen[0]
    assert "wafer_sim serve at 127." in done.out
    held = torch.load(folder / "checkpoint_1200.mdl", weights_only=True)
    assert (held["global_step"], held["optimizer"]["wafer_step"]) == (1200, 1200)


def test_the_loop_goes_on_in_another_task(
    stage: Stage, tmp_path: Path, whole: tuple[Path, Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first step, which the run has made long ago; and once more, where the run has ended before its chief."""
    folder = old_project.write(tmp_path / "p", LONGER | KILLED)
    (folder / "deadly").touch()
    chief, *others = tasks(stage, monkeypatch, folder, 3)
    until((folder / "checkpoint_200.mdl").exists, "a checkpoint")
    chief.kill()
    chief.wait()
    said = [stage.folder / f"task{rank}.log" for rank in (1, 2)]
    until(lambda: any("takes its place" in log.read_text() for log in said), "a successor")
    (folder / "open").touch()
    assert sorted(task.wait(60) for task in others) == [-signal.SIGKILL, 0], stage.said()
    last = said[[task.returncode for task in others].index(0)]
    assert losses(last.read_text()) == losses(whole[1].out)
    for step in range(200, 1201, 200):
        name = f"checkpoint_{step}.mdl"
        assert (folder / name).read_bytes() == (whole[0] / name).read_bytes(), name
    assert [path.name for path in (folder / "wafer").iterdir()] == ["train_1"]
    told = ledger(folder / "wafer" / "train_1")
    assert "0 missing, 0 twice" in told.out, told.said
