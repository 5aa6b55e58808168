"""train_and_evaluate."""

from __future__ import annotations

import pytest
import small_project
import tensorflow as tf

from clients.tensorflow import CerebrasEstimator, CSRunConfig, EvalSpec, RunConfig, TrainSpec, train_and_evaluate
from clients.tensorflow.plain_checkpoints import every
from wire.errors import Refused

v1 = tf.compat.v1


def test_it_evaluates_at_checkpoints_and_at_the_end(tmp_path):
    """Every save_checkpoints_steps steps and at max_steps; a second call has nothing to do."""
    model = CerebrasEstimator(small_project.line, tmp_path, RunConfig(save_checkpoints_steps=4))
    specs = TrainSpec(small_project.points, max_steps=10), EvalSpec(small_project.points, steps=None)
    last = train_and_evaluate(model, *specs)
    assert last is not None
    assert last["global_step"] == 10
    assert [path.rpartition("-")[2] for path in every(tmp_path)] == ["0", "4", "8", "10"]
    events = (event for path in (tmp_path / "eval").iterdir() for event in v1.train.summary_iterator(str(path)))
    assert sorted(event.step for event in events if event.summary.value) == [4, 8, 10]
    assert train_and_evaluate(model, *specs) is None


def test_without_a_last_step_the_input_ends_it(tmp_path):
    """A finite input is trained once, then evaluated."""
    model = CerebrasEstimator(small_project.line, tmp_path, params={"epochs": 1})
    last = train_and_evaluate(model, TrainSpec(small_project.points), EvalSpec(small_project.points))
    assert last is not None
    assert last["global_step"] == 3


def test_it_is_for_runs_off_the_system(tmp_path):
    """On the system training and evaluation are two runs."""
    model = CerebrasEstimator(small_project.line, tmp_path, CSRunConfig("10.0.0.1"))
    with pytest.raises(Refused, match="off the system only"):
        train_and_evaluate(model, TrainSpec(small_project.points, 1), EvalSpec(small_project.points))
