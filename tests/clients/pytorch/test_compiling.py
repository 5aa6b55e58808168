"""Validate and compile of a captured PyTorch job."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import make_params
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from clients.captured import Captured
from clients.compiling import compile_job, validate
from clients.input import LoaderInput
from clients.job import Job
from clients.pytorch import PyTorchBaseModel
from clients.pytorch.capture import capture, initial_weights
from clients.pytorch.compiling import captured_job
from clients.sections import RunConfig
from streamer.advice.review import Watched
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import read_executable, read_optimizer
from wafer_sim.runtime.opening import open_executor
from wafer_sim.runtime.protocol import State
from wire.elements import ElementSpec
from wire.errors import Exhausted, Refused
from wire.findings import Several
from wire.v1 import run_pb2

WIDTH, ROWS = 768, 8
BATCH = (torch.zeros(ROWS, WIDTH), torch.zeros(ROWS, dtype=torch.int64))
ADAM = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 0.1}).to_json()


class Model(PyTorchBaseModel):
    """Equal layers and their loss."""

    def __init__(self, depth: int, *more: nn.Module) -> None:
        super().__init__(make_params(), nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(depth)), *more))

    def __call__(self, data: Any) -> torch.Tensor:
        x, labels = data
        return functional.cross_entropy(self.model(x), labels)


def program(depth: int, rows: int = ROWS) -> Program:
    return capture(Model(depth), BATCH, [Entry(GRADIENTS, rows)])


def captured(made: Program, replicas: int = 1, *, is_open: bool = False) -> Captured:
    source = LoaderInput(ElementSpec(()), ROWS, 100, True, True, "", "rows")
    plan = run_pb2.DataPlan(replicas=replicas, batch_size=ROWS)
    return Captured(source, plan, made, lambda: (0, State({})), lambda: None, ADAM, open_replicas=is_open)


def job(folder: Path, **config: Any) -> Job:
    return Job({}, RunConfig(**config), Path("p.yaml"), folder, "train")


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
        return captured(program(1, ROWS // (count or 2)), count or 2, is_open=True)

    caplog.set_level("INFO")
    made = compile_job(again, job(tmp_path, multireplica=True), kept)
    assert asked == captures
    assert made.captured.plan.replicas == replicas
    assert made.estimate is not None
    assert made.estimate.replicas == 1
    assert said in caplog.text
    assert "Replicas:                1\n" in (made.path / "compile_report.txt").read_text()


@pytest.fixture(scope="module")
def deep() -> Captured:
    """Four layers of 2.4 MB each: some 50 MB layer-pipelined with what an update needs, some 40 MB layer by layer."""
    return captured(program(4))


@pytest.mark.parametrize(
    ("memory", "strategy", "said", "do"),
    [
        ("45MB", "pipeline", "layer-pipelined", "set runconfig.execution_strategy: weight_streaming, which takes"),
        ("10MB", "pipeline", "layer-pipelined", "too much as well"),
        ("10MB", "weight_streaming", "for the largest layer", "lower the batch size"),
    ],
)
def test_a_model_larger_than_the_given_memory_is_refused_on_the_laptop(
    tmp_path: Path, deep: Captured, memory: str, strategy: str, said: str, do: str
) -> None:
    """By how much, and whether weight streaming would do; validate and compile both say it, and leave nothing."""
    asked = job(tmp_path / "m", wafer_memory=memory, execution_strategy=strategy)
    for command in (validate, compile_job):
        with pytest.raises(Refused, match=said) as refused:
            command(lambda _: deep, asked)
        assert "MB too little" in refused.value.what
        assert do in refused.value.fix
    assert not (tmp_path / "m").exists()


def test_a_model_that_fits_the_given_memory_compiles(tmp_path: Path, deep: Captured) -> None:
    """With enough of it, or layer by layer."""
    for config in ({"wafer_memory": "1GB"}, {"wafer_memory": "45MB", "execution_strategy": "weight_streaming"}):
        assert compile_job(lambda _: deep, job(tmp_path, **config)).path.is_dir()


def test_validate_leaves_no_executable(tmp_path: Path, deep: Captured) -> None:
    """Not a file in the model_dir, nor the model_dir."""
    validate(lambda _: deep, job(tmp_path / "m"))
    assert not (tmp_path / "m").exists()


def test_a_changed_learning_rate_finds_the_cached_compile_and_trains_with_the_new_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is patched into the executable, and said; SGD goes twice as far with twice the rate."""
    caplog.set_level("INFO")
    model = Model(1)
    made = capture(model, BATCH, [Entry(GRADIENTS, ROWS)])
    state, went = State(initial_weights(model)), []
    for rate in (0.1, 0.2):
        spec = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": rate}).to_json()
        compiled = compile_job(lambda _, spec=spec: replace(captured(made), optimizer=spec), job(tmp_path))
        executor = open_executor(read_executable(compiled.path), state, read_optimizer(compiled.path))
        batch = [np.ones((ROWS, WIDTH), np.float32), np.zeros(ROWS, np.int64)]
        executor.apply(executor.gradients(batch, seed=0, step=0, replica=0).tensors, 0)
        went.append(executor.state().weights["0.bias"] - state.weights["0.bias"])
    assert compiled.cached
    assert "Compile was cached; patched: optimizer.learning_rate 0.1 -> 0.2; found in" in caplog.text
    np.testing.assert_allclose(went[1], 2 * went[0], rtol=1e-5, atol=1e-7)
    assert np.abs(went[0]).max() > 0


class Inverse(nn.Module):
    """An operation that the wafer has no kernel for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.inv(x)


def test_problems_of_input_and_model_are_told_together(tmp_path: Path) -> None:
    """A batch that may be smaller, and an operation without a kernel."""
    square = (torch.zeros(WIDTH, WIDTH), torch.zeros(WIDTH, dtype=torch.int64))
    loader = DataLoader(TensorDataset(*square), batch_size=WIDTH)
    with pytest.raises(Several) as found:
        captured_job(Model(1, Inverse()), loader, Watched(), job(tmp_path, max_steps=1))
    assert ["batches of one size" in fault.what for fault in found.value.faults] == [True, False]
    assert "linalg_inv" in found.value.faults[1].what
    assert "test_compiling.py:" in found.value.faults[1].where


def test_a_model_too_large_for_the_fabric_is_refused_with_what_would_do(tmp_path: Path, deep: Captured) -> None:
    """By how much, which layers of the user's, and that weight streaming would do; so it does."""
    with pytest.raises(Exhausted, match=r"MiB too much") as refused:
        validate(lambda _: deep, job(tmp_path, machine="small"))
    assert "0.matmul" in refused.value.where
    assert "test_compiling.py:" in refused.value.where
    assert refused.value.fix.startswith("execution_strategy weight_streaming would do: ")
    validate(lambda _: deep, job(tmp_path, machine="small", execution_strategy="weight_streaming"))


class Inverting(Model):
    """An operation without a kernel, not in a layer but in the model's own call."""

    def __call__(self, data: Any) -> torch.Tensor:
        x, labels = data
        return functional.cross_entropy(torch.linalg.inv(x), labels)


def test_an_operation_of_the_models_own_call_names_its_line() -> None:
    """Not only those of layers, whose function is called forward."""
    square = (torch.zeros(ROWS, ROWS), torch.zeros(ROWS, dtype=torch.int64))
    with pytest.raises(Refused, match="linalg_inv") as refused:
        capture(Inverting(1), square, [Entry(EVALUATE, ROWS)])
    _, first = inspect.getsourcelines(Inverting.__call__)
    assert refused.value.where == f"test_compiling.py:{first + 2}"
