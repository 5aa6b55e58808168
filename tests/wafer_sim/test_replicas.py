"""Replicas: threads that agree."""

from __future__ import annotations

import math
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wafer_sim.replicas import Replicas
from wafer_sim.runtime.protocol import Gradients
from wire.errors import InvalidInput

ROWS = 16


def mlp(tracing: ModuleType, dropout: float = 0.0, kind: str = "sgd") -> Any:
    from wafer_sim.compiler.training import OptimizerSpec
    from wafer_sim.runtime.torch_executor import TorchExecutor

    model = tracing.Mlp(dropout)
    optimizer = OptimizerSpec.from_params({"optimizer_type": kind, "learning_rate": 0.05})
    program = tracing.trace(model, tracing.samples(ROWS), [ROWS, ROWS // 2])
    return TorchExecutor(program, tracing.weights_of(model), optimizer)


def batches(tracing: ModuleType, replicas: int, step: int) -> list[list[np.ndarray]]:
    """The global batch of a step, split over the replicas."""
    data, labels = (t.numpy() for t in tracing.samples(ROWS, seed=step))
    parts = zip(np.split(data, replicas), np.split(labels, replicas), strict=True)
    return [list(part) for part in parts]


def train(tracing: ModuleType, executor: Any, count: int, steps: int = 50) -> dict[str, np.ndarray]:
    with Replicas(executor, count, seed=7) as replicas:
        for step in range(steps):
            assert replicas.step(batches(tracing, count, step), step).applied
    return executor.state().weights


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_two_replicas_are_one_with_the_whole_batch(tracing: ModuleType, kind: str) -> None:
    """Over 50 steps, two replicas of half the batch stay within float32 rounding of one."""
    one = train(tracing, mlp(tracing, kind=kind), 1)
    two = train(tracing, mlp(tracing, kind=kind), 2)
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_the_same_seed_gives_the_same_bits(tracing: ModuleType, count: int) -> None:
    """Twice the same run, dropout and all: the same weights, bit for bit."""
    first, second = (train(tracing, mlp(tracing, 0.3), count, steps=10) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


class Fake:
    """An executor in numpy: the gradient is the batch's mean, the loss too."""

    def __init__(self) -> None:
        self.applied: list[np.ndarray] = []
        self.threads: set[str] = set()
        self.meeting: threading.Barrier | None = None

    def gradients(self, batch: Any, *, seed: int, step: int, replica: int) -> Gradients:
        self.threads.add(threading.current_thread().name)
        if self.meeting is not None:
            self.meeting.wait(timeout=10)
        if batch[0].dtype == object:
            raise InvalidInput("a batch of nothing", where="model.py:3", fix="send numbers")
        if batch[0].dtype == bool:
            raise KeyError("no fault")
        return Gradients(float(batch[0].mean()), [batch[0].mean(axis=0)])

    def observe(self, batch: Any, reduced: Any, *, seed: int, step: int, replica: int) -> dict[str, np.ndarray]:
        assert len(self.applied) == step
        mean = np.float32(batch[0].mean())
        return {"mean": np.array(mean), "rows": batch[0], "reduced": reduced[0], "replica": np.array(replica)}

    def apply(self, reduced: Any, step: int) -> None:
        self.applied.append(reduced[0])


def ones(value: float) -> list[np.ndarray]:
    return [np.full((2, 3), value)]


def test_gradients_are_averaged_over_replicas() -> None:
    """Loss and gradient are the means over three replicas; the optimizer runs once."""
    fake = Fake()
    with Replicas(fake, 3) as replicas:
        result = replicas.step([ones(1), ones(2), ones(6)], 0)
    assert (result.loss, result.losses, len(result.busy)) == (3.0, (1.0, 2.0, 6.0), 3)
    assert [a.tolist() for a in fake.applied] == [[3.0, 3.0, 3.0]]


def test_a_step_is_looked_at_before_its_update_when_asked() -> None:
    """Floating-point numbers are the replicas' mean; of anything else there is what replica 0 has."""
    with Replicas(Fake(), 2) as replicas:
        assert not replicas.step([ones(1), ones(2)], 0).observed
        seen = replicas.step([ones(1), ones(2)], 1, observe=True).observed
    assert seen["mean"] == np.float32(1.5)
    assert seen["mean"].dtype == np.float32
    assert seen["rows"].tolist() == ones(1)[0].tolist()
    assert seen["reduced"].tolist() == [1.5] * 3
    assert seen["replica"] == 0


def test_replicas_work_at_the_same_time() -> None:
    """All of three replicas are inside `gradients` at once, each in its own thread."""
    fake = Fake()
    fake.meeting = threading.Barrier(3)
    with Replicas(fake, 3) as replicas:
        replicas.step([ones(1)] * 3, 0)
    assert len(fake.threads) == 3


def test_one_replica_needs_no_thread() -> None:
    """A single replica runs in the caller's own thread."""
    fake = Fake()
    before = threading.active_count()
    with Replicas(fake, 1) as replicas:
        replicas.step([ones(1)], 0)
        assert threading.active_count() == before
    assert fake.threads == {threading.current_thread().name}


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_the_weights(odd: float) -> None:
    """NaN in one replica: the result says so, and nothing was applied."""
    fake = Fake()
    with Replicas(fake, 2) as replicas:
        result = replicas.step([ones(1), ones(odd)], 4)
        assert not result.applied
        assert not math.isfinite(result.loss)
        assert fake.applied == []
        assert replicas.step([ones(1), ones(1)], 4).applied


def test_an_error_names_its_replica_and_the_others_go_on() -> None:
    """A fault keeps its kind and its words; the replicas can be used again."""
    fake = Fake()
    with Replicas(fake, 2) as replicas:
        with pytest.raises(InvalidInput) as caught:
            replicas.step([ones(1), [np.array([None])]], 0)
        assert caught.value.where == "replica 1, model.py:3"
        assert fake.applied == []
        with pytest.raises(KeyError) as other:
            replicas.step([ones(1), [np.array([True])]], 0)
        assert other.value.__notes__ == ["in replica 1"]
        assert replicas.step([ones(1), ones(1)], 0).applied


def test_closing_ends_every_thread() -> None:
    """After close no thread is left, and closing again does no harm."""
    before = threading.active_count()
    replicas = Replicas(Fake(), 4)
    assert threading.active_count() == before + 3
    replicas.close()
    replicas.close()
    assert threading.active_count() == before


def test_counts_must_agree() -> None:
    """No replica at all, or a number of batches that is not theirs, is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one"):
        Replicas(Fake(), 0)
    with Replicas(Fake(), 2) as replicas, pytest.raises(ValueError, match="2 replicas take 2 batches, not 1"):
        replicas.step([ones(1)], 0)
