"""Evaluation and prediction in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_project
import tensorflow as tf

from clients.tensorflow import CerebrasEstimator, EstimatorSpec, RunConfig
from wire.errors import InvalidInput, NotFound

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> CerebrasEstimator:
    """A model of 20 steps, with a checkpoint every 10."""
    config = RunConfig(save_checkpoints_steps=10)
    model = CerebrasEstimator(small_project.line, tmp_path_factory.mktemp("model"), config)
    return model.train(small_project.points, steps=20)


def predicted(model: CerebrasEstimator, step: int) -> np.ndarray:
    reader = tf.train.load_checkpoint(str(Path(model.model_dir) / f"model.ckpt-{step}"))
    made: np.ndarray = (small_project.POINTS @ reader.get_tensor("slope"))[:, 0] + reader.get_tensor("offset")
    return made


def test_metrics_are_those_of_numpy(trained):
    """The loss is the mean over samples, also where the last batch is smaller."""
    off = predicted(trained, 20) - small_project.VALUES
    unequal = CerebrasEstimator(small_project.line, trained.model_dir, RunConfig(), {"batch_size": 20})
    for model in (trained, unequal):
        found = model.evaluate(small_project.points)
        assert found == pytest.approx({"loss": (off**2).mean(), "error": abs(off).mean(), "global_step": 20}, rel=1e-5)


def test_some_batches_of_an_older_checkpoint(trained):
    """steps bounds the batches, checkpoint_path says which weights."""
    off = (predicted(trained, 10) - small_project.VALUES)[:16]
    path = Path(trained.model_dir) / "model.ckpt-10"
    found = trained.evaluate(small_project.points, steps=1, checkpoint_path=path)
    assert found == pytest.approx({"loss": (off**2).mean(), "error": abs(off).mean(), "global_step": 10}, rel=1e-5)


def test_an_evaluation_leaves_events(trained):
    """They go to a folder of the evaluation's name, at the step of the checkpoint."""
    trained.evaluate(small_project.points, name="own")
    (path,) = (Path(trained.model_dir) / "eval_own").glob("events.out.*")
    values = {(e.step, v.tag) for e in v1.train.summary_iterator(str(path)) for v in e.summary.value}
    assert values == {(20, "loss"), (20, "error")}


def test_nothing_to_evaluate_is_an_error(trained, tmp_path):
    """No checkpoint, a path that leads nowhere, and no batch: each is a sentence."""
    with pytest.raises(NotFound, match="train first"):
        CerebrasEstimator(small_project.line, tmp_path).evaluate(small_project.points)
    with pytest.raises(NotFound, match=r"model\.ckpt-0, model\.ckpt-10, model\.ckpt-20"):
        trained.evaluate(small_project.points, checkpoint_path="elsewhere")
    with pytest.raises(InvalidInput, match="has no batch"):
        trained.evaluate(lambda: small_project.points({}, "eval").take(0))


def test_a_torn_checkpoint_is_an_error(trained, tmp_path):
    """A file that is no checkpoint is named."""
    (tmp_path / "model.ckpt-3.index").write_text("torn")
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        CerebrasEstimator(small_project.line, tmp_path).evaluate(small_project.points)
    assert caught.value.where == str(tmp_path / "model.ckpt-3")


def test_keras_metrics_are_metrics(trained):
    """A Keras metric object stands for its value and its update."""
    import tf_keras

    def model_fn(features, labels, mode, params):
        spec = small_project.line(features, labels, mode, params)
        metric = tf_keras.metrics.Mean(name="squares")
        metric.update_state(spec.loss)
        return EstimatorSpec(mode, loss=spec.loss, eval_metric_ops={"squares": metric})

    found = CerebrasEstimator(model_fn, trained.model_dir).evaluate(small_project.points)
    assert found["squares"] == pytest.approx(found["loss"], rel=1e-5)


def test_predictions_come_one_by_one(trained):
    """Each sample is a dict; labels of the input are left out; the number is bounded."""
    made = list(trained.predict(small_project.points))
    np.testing.assert_allclose([one["value"] for one in made], predicted(trained, 20), rtol=1e-5)
    assert [len(made), sorted(made[0])] == [48, ["twice", "value"]]
    assert len(list(trained.predict(small_project.points, num_samples=7))) == 7


def test_predictions_can_be_chosen_and_come_in_batches(trained):
    """predict_keys leaves the others out; a wrong key is named with the nearest."""
    (first, *_) = trained.predict(small_project.points, predict_keys="twice", yield_single_examples=False)
    assert {name: array.shape for name, array in first.items()} == {"twice": (16,)}
    with pytest.raises(InvalidInput, match="did you mean 'twice'"):
        next(trained.predict(small_project.points, predict_keys=["twise"]))


def test_two_predictions_can_be_read_in_turns(trained):
    """A prediction under way is in nobody's way, nor is one that is left half read."""
    one, two = (trained.predict(small_project.points) for _ in range(2))
    pairs = [(next(one)["value"], next(two)["value"]) for _ in range(20)]
    assert all(a == b for a, b in pairs)
    one.close() if hasattr(one, "close") else None
    assert trained.evaluate(small_project.points, steps=1)["global_step"] == 20


def test_predictions_without_a_samples_axis_are_refused(trained):
    """What cannot be cut into samples is said, with what to write."""

    def model_fn(features: Any, mode: str) -> EstimatorSpec:
        spec = small_project.line(features, None, mode, {})
        return EstimatorSpec(mode, predictions={**spec.predictions, "sum": tf.reduce_sum(features["x"])})

    model = CerebrasEstimator(model_fn, trained.model_dir)
    with pytest.raises(InvalidInput, match="yield_single_examples=False"):
        next(model.predict(small_project.points))
