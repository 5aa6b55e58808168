"""A model larger than the wafer's memory: trained in weight streaming within it, refused layer-pipelined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.opening import Execution, open_executor
from wafer_sim.runtime.protocol import Looked, State
from wire.errors import Refused

ROOT = Path(__file__).parents[3]
WIDTH, DEPTH, ROWS = 1152, 16, 32
MODEL = 3 * 4 * WIDTH * WIDTH * DEPTH
"""Bytes of weights and of Adam's state: 255 MB."""
BUDGET = 110_000_000
OF_TWO = 150_000_000
ADAM = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 1e-3})


class Deep(torch.nn.Module):
    """Two inputs (rows, WIDTH) -> loss; as deep as it takes to be large."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + torch.relu(layer(x))
        return torch.nn.functional.mse_loss(x, y)


def drawn(number: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(shape, np.float32) * np.float32(0.02)


@pytest.fixture(scope="module")
def folder(tracing: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program and its first checkpoint."""
    made = tmp_path_factory.mktemp("deep")
    with torch.device("meta"):
        model = Deep()
    program = tracing.trace(model.to_empty(device="cpu"), (torch.ones(2, WIDTH), torch.ones(2, WIDTH)), [ROWS])
    (made / "program.json").write_text(program.to_json())
    weights = {p.tensor.name: partial(drawn, i, p.tensor.shape) for i, p in enumerate(program.parameters)}
    checkpoints.write(made, Checkpoint(0, State(Looked(weights))))
    return made


def trained(folder: Path, mode: str, memory: int, replicas: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.wafer_sim.runtime.peak", str(folder), mode, str(memory), str(replicas)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(("replicas", "budget"), [(1, BUDGET), (2, OF_TWO)])
def test_a_model_larger_than_the_memory_trains_in_it(folder: Path, replicas: int, budget: int) -> None:
    """Measured: the process's high-water mark above its imports, its checkpoint included; and the same bits."""
    assert budget < 0.6 * MODEL
    streamed = trained(folder, "weight_streaming", budget, replicas)
    whole = trained(folder, "pipeline", 0, replicas)
    assert streamed["peak"] < budget
    assert whole["peak"] > MODEL
    assert streamed["losses"] == whole["losses"]
    assert streamed["files"] == whole["files"]


def opened(folder: Path, streaming: bool, memory: int, replicas: int = 1) -> None:
    program = Program.from_json((folder / "program.json").read_text())
    how = Execution(folder / "outside" if streaming else None, memory, replicas)
    open_executor(program, State({}), ADAM, execution=how)


def test_layer_pipelined_it_is_refused(folder: Path) -> None:
    """The sentence says what it takes, by how much that is too much, and that weight streaming would do."""
    with pytest.raises(Refused) as refused:
        opened(folder, streaming=False, memory=BUDGET)
    assert refused.value.where == "runconfig.execution_strategy"
    assert "takes 357 MB layer-pipelined (85 MB of weights and 170 MB of optimizer state" in refused.value.what
    assert "the wafer has 110 MB, 247 MB too little" in refused.value.what
    assert refused.value.fix == "set runconfig.execution_strategy: weight_streaming, which takes 70 MB"


def test_a_layer_that_is_larger_than_the_memory_is_refused_in_both_modes(folder: Path) -> None:
    """Weight streaming is not advised where it would not do."""
    with pytest.raises(Refused, match=r"weight streaming takes 70 MB for the largest layer .* 30 MB too little"):
        opened(folder, streaming=True, memory=40_000_000)
    with pytest.raises(Refused, match="layer-pipelined") as refused:
        opened(folder, streaming=False, memory=40_000_000)
    assert "weight streaming takes 70 MB, too much as well" in refused.value.fix


def test_replicas_take_memory_of_their_own(folder: Path) -> None:
    """Values and gradients are there once for each."""
    with pytest.raises(Refused, match=r"takes 5\d\d MB layer-pipelined"):
        opened(folder, streaming=False, memory=400_000_000, replicas=2)
