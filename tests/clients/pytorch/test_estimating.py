"""The estimate of a captured PyTorch job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.captured import Captured
from clients.compiling import compile_job
from clients.estimating import estimate_of
from clients.input import LoaderInput
from clients.job import Job
from clients.pytorch import PyTorchBaseModel
from clients.pytorch.capture import capture
from clients.sections import RunConfig
from wafer_sim.compiler.program import GRADIENTS, Entry, Program
from wafer_sim.runtime.protocol import State
from wire.v1 import run_pb2

ROWS = 4
BATCH_SIZE = 8
BATCH = (torch.zeros(ROWS, 8), torch.zeros(ROWS, dtype=torch.int64))


class Model(PyTorchBaseModel):
    """One layer and its loss."""

    def __init__(self) -> None:
        optimizer = {"optimizer_type": "sgd", "learning_rate": 0.1}
        super().__init__({"model": {}, "optimizer": optimizer, "runconfig": {"mode": "train"}}, nn.Linear(8, 3))

    def __call__(self, data: Any) -> torch.Tensor:
        x, labels = data
        return functional.cross_entropy(self.model(x), labels)


def captured(program: Program, replicas: int, *, is_open: bool = False) -> Captured:
    source = LoaderInput.__new__(LoaderInput)
    plan = run_pb2.DataPlan(replicas=replicas, batch_size=BATCH_SIZE)
    return Captured(source, plan, program, lambda: (0, State({})), lambda: None, open_replicas=is_open)


@pytest.mark.parametrize(
    ("strategy", "replicas", "there"),
    [("weight_streaming", 1, True), ("weight_streaming", 2, False), ("pipeline", 2, True)],
)
def test_replicas_in_weight_streaming_run_without_an_estimate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, strategy: str, replicas: int, there: bool
) -> None:
    """The wafer process has them and the real machine has not: that is said in a line, and stops nobody."""
    program = capture(Model(), BATCH, [Entry(GRADIENTS, ROWS)])
    config = RunConfig.model_validate({"execution_strategy": strategy})
    asked = Job({}, config, Path("p.yaml"), tmp_path, "train", cs_ip="localhost:1")
    made = estimate_of(captured(program, replicas), asked)
    assert (made is not None) == there
    assert ("No estimate: weight streaming has one replica" in caplog.text) == (not there)


@pytest.mark.parametrize(
    ("kept", "captures", "replicas", "said"),
    [
        (None, [None, 1], 1, "Replicas: 1 fit on the wafer and help"),
        (2, [2], 2, "1 fit on the wafer and help; this run has 2, as its checkpoint"),
    ],
)
def test_the_compiler_chooses_how_many_replicas_there_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: int | None, captures: list[Any], replicas: int, said: str
) -> None:
    """More would not help a model that is as small as this: the run has one, but for one that goes on with two."""
    asked: list[int | None] = []

    def again(count: int | None) -> Captured:
        asked.append(count)
        program = capture(Model(), BATCH, [Entry(GRADIENTS, BATCH_SIZE // (count or 2))])
        return captured(program, count or 2, is_open=True)

    caplog.set_level("INFO")
    config = RunConfig(multireplica=True)
    made = compile_job(again, Job({}, config, Path("p.yaml"), tmp_path, "train"), kept)
    assert asked == captures
    assert made.captured.plan.replicas == replicas
    assert made.estimate is not None
    assert made.estimate.replicas == 1
    assert said in caplog.text
    assert "Replicas:                1\n" in (made.path / "compile_report.txt").read_text()
