"""The estimate of a captured PyTorch job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.captured import Captured
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


def captured(program: Program, replicas: int) -> Captured:
    source = LoaderInput.__new__(LoaderInput)
    plan = run_pb2.DataPlan(replicas=replicas, batch_size=BATCH_SIZE)
    return Captured(source, plan, program, lambda: (0, State({})), lambda: None)


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
