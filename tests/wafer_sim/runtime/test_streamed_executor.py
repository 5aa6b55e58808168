"""Weight streaming: the bits of the pipelined executor, with the weights elsewhere."""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.training import HYPER_PARAMETERS, OptimizerSpec
from wafer_sim.replicas import Replicas, StepResult
from wafer_sim.runtime import layered_plan
from wafer_sim.runtime.outside import Region
from wafer_sim.runtime.protocol import Executor
from wafer_sim.runtime.streamed_executor import StreamedExecutor
from wafer_sim.runtime.torch_executor import TorchExecutor
from wire.errors import InvalidInput

STEPS = 4
MOMENTUM = {"optimizer_type": "sgd", "learning_rate": 0.1, "momentum": 0.9}
RATES = {"adafactor": 1e-3, "adadelta": 1.0, "rprop": 1e-3, "asgd": 1e-2}


@pytest.fixture(autouse=True)
def every_layer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nets of these tests are small, and would each be one layer."""
    monkeypatch.setattr(layered_plan, "LEAST_LAYER_BYTES", 0)


class Bench:
    """A net, its batch, and executors of both modes over the same weights."""

    def __init__(self, tracing: ModuleType, folder: Path, name: str, bfloat16: bool = False) -> None:
        net, make = tracing.NETS[name]
        torch.manual_seed(0)
        model, batch = net(), make(6)
        self.program = tracing.trace(model, batch, [6], bfloat16)
        self.weights = tracing.weights_of(model)
        self.batch = [field.numpy() for field in batch]
        self._folder = folder

    def pipelined(self, **optimizer: Any) -> TorchExecutor:
        return TorchExecutor(self.program, self.weights, OptimizerSpec.from_params(optimizer))

    def streamed(self, replicas: int = 1, **optimizer: Any) -> StreamedExecutor:
        spec = OptimizerSpec.from_params(optimizer)
        return StreamedExecutor(self.program, self.weights, spec, directory=self._folder, replicas=replicas)

    def train(self, executor: Executor, replicas: int = 1, first: int = 0, steps: int = STEPS) -> list[StepResult]:
        batches = [[field.copy() for field in self.batch] for _ in range(replicas)]
        for replica, batch in enumerate(batches):
            for field in batch:
                field[:replica] = field[replica]
        with Replicas(executor, replicas, seed=3) as running:
            return [running.step(batches, step) for step in range(first, first + steps)]


def same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def same_end(one: Executor, two: Executor) -> bool:
    mine, theirs = one.state(), two.state()
    return same(mine.weights, theirs.weights) and same(mine.optimizer, theirs.optimizer)


def losses(results: Sequence[StepResult]) -> list[tuple[float, ...]]:
    return [result.losses for result in results]


@pytest.mark.parametrize("name", ["mlp", "conv", "batch norm", "attention", "regression"])
@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("replicas", [1, 2])
def test_both_modes_train_to_the_same_bits(
    tracing: ModuleType, tmp_path: Path, name: str, bfloat16: bool, replicas: int
) -> None:
    """Losses, weights, buffers and optimizer state, in any precision, for one replica and for several."""
    bench = Bench(tracing, tmp_path, name, bfloat16)
    whole, parts = bench.pipelined(**MOMENTUM), bench.streamed(replicas, **MOMENTUM)
    assert losses(bench.train(whole, replicas)) == losses(bench.train(parts, replicas))
    assert same_end(whole, parts)


@pytest.mark.parametrize("kind", sorted(HYPER_PARAMETERS))
def test_every_optimizer_makes_the_same_updates_layer_by_layer(tracing: ModuleType, tmp_path: Path, kind: str) -> None:
    """None of them mixes parameters, so that one at a time is as good as all at once."""
    bench = Bench(tracing, tmp_path, "mlp")
    optimizer = {"optimizer_type": kind, "learning_rate": RATES.get(kind, 1e-2), "weight_decay_rate": 0.01}
    whole, parts = bench.pipelined(**optimizer), bench.streamed(**optimizer)
    assert losses(bench.train(whole)) == losses(bench.train(parts))
    assert same_end(whole, parts)
    assert not same(parts.state().weights, bench.weights)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("clip", [{"max_gradient_norm": 0.05}, {"max_gradient_value": 0.001}])
def test_gradients_are_clipped_as_in_the_other_mode(
    tracing: ModuleType, tmp_path: Path, replicas: int, clip: dict[str, float]
) -> None:
    """By value each layer for itself; by norm after all of them are there."""
    bench = Bench(tracing, tmp_path, "attention")
    whole, parts = bench.pipelined(**MOMENTUM, **clip), bench.streamed(replicas, **MOMENTUM, **clip)
    assert losses(bench.train(whole, replicas)) == losses(bench.train(parts, replicas))
    assert same_end(whole, parts)
    free = bench.pipelined(**MOMENTUM)
    bench.train(free, replicas)
    assert not same_end(free, parts)


def test_evaluation_is_the_same(tracing: ModuleType, tmp_path: Path) -> None:
    """An evaluation walks through the layers too."""
    bench = Bench(tracing, tmp_path, "attention")
    whole, parts = bench.pipelined(**MOMENTUM), bench.streamed(**MOMENTUM)
    assert parts.evaluate(bench.batch) == whole.evaluate(bench.batch)


@pytest.mark.parametrize("optimizer", [MOMENTUM, {"optimizer_type": "adamw", "learning_rate": 1e-2}])
def test_a_checkpoint_of_one_mode_goes_on_in_the_other(
    tracing: ModuleType, tmp_path: Path, optimizer: dict[str, Any]
) -> None:
    """Both write the same files, byte for byte, and either goes on from them."""
    bench = Bench(tracing, tmp_path, "batch norm")
    made = {"pipelined": bench.pipelined, "streamed": bench.streamed}
    files = {}
    for mode, make in made.items():
        executor = make(**optimizer)
        bench.train(executor, steps=2)
        path = checkpoints.write(tmp_path / mode, Checkpoint(2, executor.state()))
        files[mode] = [(path / file).read_bytes() for file in ("weights.safetensors", "optimizer.safetensors")]
    assert files["pipelined"] == files["streamed"]
    ends = []
    for mode, other in (("pipelined", "streamed"), ("streamed", "pipelined")):
        executor = made[other](**optimizer)
        executor.load(checkpoints.read(tmp_path / mode / "checkpoint_2").state)
        bench.train(executor, first=2)
        ends.append(executor)
    whole = bench.pipelined(**optimizer)
    bench.train(whole, steps=2 + STEPS)
    assert same_end(ends[0], ends[1])
    assert same_end(ends[0], whole)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_loss_that_is_not_finite_changes_nothing(tracing: ModuleType, tmp_path: Path, replicas: int) -> None:
    """The loss is known before the first layer changes; the run may go on with the next batch."""
    bench = Bench(tracing, tmp_path, "mlp")
    executor = bench.streamed(replicas, **MOMENTUM)
    good = bench.batch[0]
    bench.batch[0] = np.full_like(good, np.nan)
    assert [result.applied for result in bench.train(executor, replicas, steps=2)] == [False, False]
    assert same(executor.state().weights, bench.weights)
    bench.batch[0] = good
    assert bench.train(executor, replicas, steps=1)[0].applied


def test_a_batch_that_cannot_be_computed_is_explained(tracing: ModuleType, tmp_path: Path) -> None:
    """A bad label is said as in the other mode, and the executor goes on."""
    bench = Bench(tracing, tmp_path, "mlp")
    executor = bench.streamed(**MOMENTUM)
    labels = bench.batch[1]
    bench.batch[1] = np.full_like(labels, 99)
    with pytest.raises(InvalidInput, match="99"):
        bench.train(executor)
    assert same(executor.state().weights, bench.weights)
    bench.batch[1] = labels
    assert bench.train(executor)[-1].applied


def test_what_was_fetched_has_gone_after_each_step(
    tracing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every region that came was let go after its last use, weights and optimizer state."""
    there: dict[Region, bool] = {}
    fetch, drop = Region.fetch, Region.drop
    monkeypatch.setattr(Region, "fetch", lambda self: (there.__setitem__(self, True), fetch(self)))
    monkeypatch.setattr(Region, "drop", lambda self: (there.__setitem__(self, False), drop(self)))
    bench = Bench(tracing, tmp_path, "attention")
    executor = bench.streamed(**MOMENTUM)
    bench.train(executor)
    trained = sum(parameter.trained for parameter in bench.program.parameters)
    assert len(there) == len(bench.program.parameters) + trained
    assert not any(there.values())


def test_the_thread_that_fetches_ends_with_its_executor(tracing: ModuleType, tmp_path: Path) -> None:
    """A process that opens many executors does not gather threads."""
    before = set(threading.enumerate())
    bench = Bench(tracing, tmp_path, "mlp")
    executor = bench.streamed(**MOMENTUM)
    bench.train(executor)
    mine = [thread for thread in threading.enumerate() if thread.name == "fetching" and thread not in before]
    assert mine
    del executor
    gc.collect()
    for thread in mine:
        thread.join(10)
    assert not any(thread.is_alive() for thread in mine)
