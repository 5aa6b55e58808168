"""A loop of CSoft's time goes on in another task when the chief is killed: the same files, the same losses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat import start
from tests.e2e import old_project
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
        while os.environ["WAFER_RANK"] != "0" and Gated.read > 16 * 100 and not pathlib.Path("open").exists():
            time.sleep(0.01)
        return tuple(tensor[row] for tensor in self.tensors)


def loader():"""
"""In a worker no more than so many samples are read before there is a file."""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in start.environment(dict(os.environ)).items():
        monkeypatch.setenv(name, value)
    running = Stage(tmp_path / "stage")
    yield running
    running.stop()


def project(folder: Path) -> Path:
    """The project whose data waits for a file, told HOST:PORT."""
    old_project.write(folder)
    text = (folder / "run.py").read_text().replace('args.cs_ip and args.cs_ip + ":9000"', "args.cs_ip")
    text = text.replace("def loader():", GATED).replace("torch.utils.data.TensorDataset(", "Gated(")
    (folder / "run.py").write_text(text.replace("40", "200"))
    return folder


def tasks(stage: Stage, monkeypatch: pytest.MonkeyPatch, folder: Path, count: int) -> list[subprocess.Popen[bytes]]:
    """The tasks of a job; what they say goes to <folder's name><rank>.log."""
    started = []
    for rank in range(count):
        for name, value in {"WAFER_RANK": rank, "WAFER_TASKS": count, "WAFER_SESSION": folder.name}.items():
            monkeypatch.setenv(name, str(value))
        command = [sys.executable, "run.py", "--cs_ip", stage.address]
        started.append(stage._start(f"{folder.name}{rank}", command, cwd=folder))
    return started


def losses(stage: Stage, name: str) -> list[str]:
    return re.findall(r"Step=(\d+, Loss=[0-9.]+)", (stage.folder / f"{name}.log").read_text())


def test_the_loop_goes_on_in_another_task(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first step, which the run has made long ago, to the last one; what the chief saved is left alone."""
    whole, cut = project(tmp_path / "whole"), project(tmp_path / "cut")
    (whole / "open").touch()
    for task in tasks(stage, monkeypatch, whole, 2):
        assert task.wait(60) == 0, stage.said()
    chief, other = tasks(stage, monkeypatch, cut, 2)
    until((cut / "checkpoint_20.mdl").exists, "a checkpoint")
    chief.kill()
    assert chief.wait() == -signal.SIGKILL
    until(lambda: "takes its place" in (stage.folder / "cut1.log").read_text(), "a successor")
    (cut / "open").touch()
    assert other.wait(60) == 0, stage.said()
    assert losses(stage, "cut1") == losses(stage, "whole0")
    assert len(losses(stage, "cut1")) == 20
    for step in range(20, 201, 20):
        name = f"checkpoint_{step}.mdl"
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    told = ledger(cut / "wafer" / "train_1")
    assert "0 missing, 0 twice" in told.out, told.said
