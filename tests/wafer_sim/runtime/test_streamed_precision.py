"""Weight streaming in float16 with a scaled loss: the bits of the pipelined executor, skipped steps among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.pytorch import PyTorchBaseModel
from clients.pytorch.capture import capture, initial_weights
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import GRADIENTS, Entry
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.replicas import Replicas
from wafer_sim.runtime import layered_plan
from wafer_sim.runtime.protocol import Executor
from wafer_sim.runtime.sizing import Sizes
from wafer_sim.runtime.streamed_executor import StreamedExecutor
from wafer_sim.runtime.torch_executor import TorchExecutor

ROWS, WIDTH, STEPS = 4, 8, 8
BATCH = [np.linspace(-1, 1, ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH), np.arange(ROWS) % 3]
FAST = {"mixed_precision": True}
EMULATED = {"mixed_precision": True, "emulate_float16": True}
OVERFLOWING = {"loss_scaling_factor": "dynamic", "initial_loss_scale": 2.0**20, "max_loss_scale": 2.0**20}


@pytest.fixture(autouse=True)
def every_layer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The net of these tests is small, and would be one layer."""
    monkeypatch.setattr(layered_plan, "LEAST_LAYER_BYTES", 0)


class Model(PyTorchBaseModel):
    """What the plan puts together: a norm, a GELU, a ReLU and a cross entropy."""

    def __init__(self, section: dict[str, Any]) -> None:
        torch.manual_seed(1)
        first = (nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.GELU())
        net = nn.Sequential(*first, nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 3))
        optimizer = {"optimizer_type": "sgd", "learning_rate": 0.1}
        super().__init__({"model": section, "optimizer": optimizer, "runconfig": {"mode": "train"}}, net)

    def __call__(self, data: Any) -> torch.Tensor:
        x, labels = data
        return functional.cross_entropy(self.model(x), labels)


class Bench:
    """Executors of both modes over the same weights and the same optimizer."""

    def __init__(self, folder: Path, section: dict[str, Any], **optimizer: Any) -> None:
        model = Model(section)
        self.program = capture(model, tuple(map(torch.from_numpy, BATCH)), [Entry(GRADIENTS, ROWS)])
        self._weights = initial_weights(model)
        self.spec = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 0.01, **optimizer})
        self._folder = folder

    def pipelined(self) -> TorchExecutor:
        return TorchExecutor(self.program, self._weights, self.spec)

    def streamed(self, replicas: int = 1) -> StreamedExecutor:
        return StreamedExecutor(self.program, self._weights, self.spec, directory=self._folder, replicas=replicas)


def train(executor: Executor, replicas: int = 1, first: int = 0, steps: int = STEPS) -> list[tuple[float, ...]]:
    with Replicas(executor, replicas, seed=3) as running:
        return [running.step([BATCH] * replicas, step).losses for step in range(first, first + steps)]


def same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def same_end(one: Executor, two: Executor) -> bool:
    mine, theirs = one.state(), two.state()
    tensors = same(mine.weights, theirs.weights) and same(mine.optimizer, theirs.optimizer)
    return tensors and mine.scalars == theirs.scalars and one.loss_scale == two.loss_scale


@pytest.mark.parametrize("section", [FAST, EMULATED])
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("keys", [{}, {"loss_scaling_factor": 64.0}, {"loss_scaling_factor": "dynamic"}])
def test_both_modes_train_float16_to_the_same_bits(
    tmp_path: Path, section: dict[str, Any], replicas: int, keys: dict[str, Any]
) -> None:
    """Computed in float32 or rounded, with the loss as it is and scaled, in one replica and two."""
    bench = Bench(tmp_path, section, **keys)
    whole, parts = bench.pipelined(), bench.streamed(replicas)
    assert train(whole, replicas) == train(parts, replicas)
    assert same_end(whole, parts)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("clip", [{}, {"max_gradient_norm": 0.05}, {"max_gradient_value": 0.001}])
def test_both_modes_skip_the_same_steps(tmp_path: Path, replicas: int, clip: dict[str, float]) -> None:
    """A scale that is too large comes down over skipped steps, and then the model trains."""
    bench = Bench(tmp_path, EMULATED, **OVERFLOWING, **clip)
    whole, parts = bench.pipelined(), bench.streamed(replicas)
    assert train(whole, replicas) == train(parts, replicas)
    assert parts.loss_scale is not None
    assert 0 < parts.loss_scale.skipped < STEPS
    assert same_end(whole, parts)
    assert not same(parts.state().weights, bench.pipelined().state().weights)


def test_a_skipped_step_changes_the_scale_and_nothing_else(tmp_path: Path) -> None:
    """No layer is applied before all have been looked at."""
    bench = Bench(tmp_path, EMULATED, **OVERFLOWING)
    executor = bench.streamed()
    train(executor, steps=1)
    assert same(executor.state().weights, bench.pipelined().state().weights)
    assert not executor.state().optimizer
    assert executor.loss_scale is not None
    assert (executor.loss_scale.scale, executor.loss_scale.skipped) == (2.0**19, 1)


def test_loss_scaling_goes_on_from_a_checkpoint_of_the_other_mode(tmp_path: Path) -> None:
    """Where it stands is in the checkpoint, whichever mode wrote it."""
    bench = Bench(tmp_path, EMULATED, **OVERFLOWING)
    made = {"pipelined": bench.pipelined, "streamed": bench.streamed}
    whole = bench.pipelined()
    train(whole, steps=6)
    for mode, other in (("pipelined", "streamed"), ("streamed", "pipelined")):
        before, after = made[mode](), made[other]()
        train(before, steps=3)
        checkpoints.write(tmp_path / mode, Checkpoint(3, before.state()))
        after.load(checkpoints.read(tmp_path / mode / "checkpoint_3").state)
        train(after, first=3, steps=3)
        assert same_end(after, whole)


@pytest.mark.parametrize("section", [FAST, EMULATED])
def test_gradients_that_wait_for_loss_scaling_are_counted(tmp_path: Path, section: dict[str, Any]) -> None:
    """An update has room for each trained parameter, as where gradients are clipped by their norm."""
    waiting: list[dict[str, Any]] = [{"loss_scaling_factor": "dynamic"}, {"max_gradient_norm": 1.0}]
    scaled, clipped, free = (Bench(tmp_path, section, **keys) for keys in (*waiting, {}))
    rooms = [Sizes(bench.program, bench.spec, 1).rooms(1 << 30).updates for bench in (scaled, clipped, free)]
    assert rooms[0] == rooms[1]
    assert len(rooms[0]) == sum(parameter.trained for parameter in scaled.program.parameters)
    assert rooms[2] == []
