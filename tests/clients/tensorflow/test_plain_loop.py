"""Training in this process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_project
import tensorflow as tf
import tf_keras

from clients.errors import Interrupted
from clients.tensorflow import CerebrasEstimator, CSEstimatorSpec, EstimatorSpec, RunConfig, WarmStartSettings
from clients.tensorflow.plain_checkpoints import every, newest
from wire.errors import InvalidInput, NotFound

v1 = tf.compat.v1


def estimator(folder: Path, model_fn: Any = small_project.line, params: Any = None, **keys: Any) -> CerebrasEstimator:
    warm = keys.pop("warm_start_from", None)
    config = RunConfig(**{"save_checkpoints_steps": 1000, **keys})
    return CerebrasEstimator(model_fn, folder, config, params, warm_start_from=warm)


def weights(folder: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(newest(folder))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def steps_of(folder: Path) -> list[int]:
    return [int(path.rpartition("-")[2]) for path in every(folder)]


def events(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for path in sorted(folder.glob("events.out.*")):
        for event in v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


class Interrupt(v1.train.SessionRunHook):
    """Ctrl-C in the middle of a run."""

    def __init__(self, run: int) -> None:
        self._runs = run

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._runs -= 1
        if not self._runs:
            raise KeyboardInterrupt


def test_checkpoints_hold_the_users_variables(tmp_path):
    """model.ckpt-<step> is read with TensorFlow's own reader, under the names that the user gave."""
    estimator(tmp_path).train(small_project.points, max_steps=5)
    held = weights(tmp_path)
    assert {name: array.shape for name, array in held.items()} == {"slope": (3, 1), "offset": (1,), "global_step": ()}
    assert held["global_step"] == 5
    assert steps_of(tmp_path) == [0, 5]
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "model.ckpt-5")


def test_steps_are_more_and_max_steps_are_the_last(tmp_path, caplog):
    """steps counts from where training is, max_steps from step 0; one that was reached does nothing."""
    caplog.set_level(logging.INFO, "tensorflow")
    trained = estimator(tmp_path)
    trained.train(small_project.points, steps=3)
    trained.train(small_project.points, steps=3)
    assert steps_of(tmp_path) == [0, 3, 6]
    trained.train(small_project.points, max_steps=8)
    trained.train(small_project.points, max_steps=8)
    assert steps_of(tmp_path) == [0, 3, 6, 8]
    assert caplog.messages[-1] == "Skipping training since max_steps has already saved."


def test_the_end_of_the_input_ends_training(tmp_path):
    """Two epochs of three batches are six steps."""
    estimator(tmp_path, params={"epochs": 2}).train(small_project.points)
    assert steps_of(tmp_path) == [0, 6]


def test_two_runs_with_one_seed_are_the_same_bits(tmp_path):
    """tf_random_seed decides initial weights and the order of the input; another seed gives others."""
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        estimator(tmp_path / name, tf_random_seed=seed).train(small_project.points, steps=10)
    one, same, other = (weights(tmp_path / name)["slope"] for name in "abc")
    assert one.tobytes() == same.tobytes() != other.tobytes()


def keras_model(features, labels, mode):
    made = tf_keras.layers.Dense(8, activation="relu")(features["x"])
    made = tf_keras.layers.Dropout(0.5)(made, training=True)
    loss = tf.reduce_mean(tf.square(tf_keras.layers.Dense(1)(made)[:, 0] - labels))
    train_op = v1.train.AdamOptimizer(0.01).minimize(loss, v1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def test_the_seed_is_that_of_keras_and_of_parallel_input_too(tmp_path):
    """Initial weights of layers, dropout and an input made in parallel: two runs are the same bits."""

    def input_fn():
        dataset = small_project.points({}, "train").unbatch()
        dataset = dataset.map(lambda x, y: (x, 2 * y), num_parallel_calls=4)
        return dataset.batch(8).prefetch(2)

    for name in "ab":
        estimator(tmp_path / name, keras_model).train(input_fn, steps=12)
    one, same = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert "dense/kernel" in one
    assert {name: array.tobytes() for name, array in one.items()} == {n: array.tobytes() for n, array in same.items()}


def test_it_trains_as_tensorflow_does(tmp_path):
    """Ten steps give the weights of a session that is written by hand."""
    estimator(tmp_path).train(small_project.points, steps=10)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        v1.train.get_or_create_global_step()
        iterator = v1.data.make_initializable_iterator(small_project.points({}, "train"))
        spec = small_project.line(*iterator.get_next(), "train", {})
        session.run([iterator.initializer, v1.global_variables_initializer()])
        for _ in range(10):
            session.run(spec.train_op)
        slope = session.run(next(v for v in v1.global_variables() if v.op.name == "slope"))
    np.testing.assert_allclose(weights(tmp_path)["slope"], slope, rtol=1e-6)


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    """keep_checkpoint_max holds over several runs, too; 0 keeps all."""
    for _ in range(2):
        estimator(tmp_path / "two", save_checkpoints_steps=2, keep_checkpoint_max=2).train(
            small_project.points, steps=5
        )
    assert steps_of(tmp_path / "two") == [9, 10]
    estimator(tmp_path / "all", save_checkpoints_steps=1, keep_checkpoint_max=0).train(small_project.points, steps=7)
    assert steps_of(tmp_path / "all") == list(range(8))


def test_the_log_is_csofts(tmp_path, caplog):
    """A line every so many steps, and two at the end."""
    caplog.set_level(logging.INFO, "tensorflow")
    estimator(tmp_path, log_step_count_steps=4).train(small_project.points, steps=9)
    lines = [line for line in caplog.messages if "step" in line or "finished" in line]
    paced = [line for line in lines if line.startswith("global step")]
    assert [line.split(":")[0] for line in paced] == ["global step 4", "global step 8"]
    assert paced[0].endswith(" steps/sec)")
    assert lines[-2].startswith("Training finished with 144 samples in ")
    assert lines[-1].startswith("Loss for final step: ")


def test_summaries_are_events(tmp_path):
    """The loss and the user's own summaries every save_summary_steps, the rate with the log."""

    def model_fn(features, labels, mode, params):
        spec = small_project.line(features, labels, mode, params)
        call = (lambda loss: v1.summary.scalar("own", loss), [spec.loss])
        return CSEstimatorSpec(mode, host_call=call, loss=spec.loss, train_op=spec.train_op)

    estimator(tmp_path, model_fn, save_summary_steps=4, log_step_count_steps=5).train(small_project.points, steps=10)
    found = events(tmp_path)
    assert (found["own"], found["loss"], found["global_step/sec"]) == ([1, 5, 9], [1, 5, 9], [5, 10])


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(tmp_path):
    """The last checkpoint is from before it, even where that step would have been saved."""
    with pytest.raises(InvalidInput, match=r"the loss of the step after step \d+ is (inf|nan)") as caught:
        estimator(tmp_path, params={"rate": 1e4}, save_checkpoints_steps=1).train(small_project.points, steps=90)
    assert "lower the learning rate" in caught.value.fix
    assert caught.value.where == f"step {steps_of(tmp_path)[-1] + 1}"
    assert all(np.isfinite(array).all() for array in weights(tmp_path).values())


def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    """What was trained so far is saved, and the next run goes on from there."""
    with pytest.raises(Interrupted, match=r"stopped by Ctrl-C; .*model\.ckpt-4"):
        estimator(tmp_path).train(small_project.points, hooks=[Interrupt(4)], steps=100)
    assert steps_of(tmp_path) == [0, 4]
    estimator(tmp_path).train(small_project.points, steps=2)
    assert steps_of(tmp_path) == [0, 4, 6]


def test_hooks_and_listeners_are_called(tmp_path):
    """A hook may end the run; a listener hears of each checkpoint."""
    heard = []

    class Listener(v1.train.CheckpointSaverListener):
        def after_save(self, session: Any, global_step_value: int) -> None:
            heard.append(int(global_step_value))

    hooks = [v1.train.StopAtStepHook(num_steps=3)]
    estimator(tmp_path).train(small_project.points, hooks=hooks, steps=50, saving_listeners=[Listener()])
    assert heard == [0, 3]


def test_a_train_op_that_does_not_count_is_refused(tmp_path):
    """Without the global step training would never end; the error says what to pass."""

    def model_fn(features, labels, mode, params):
        spec = small_project.line(features, labels, mode, params)
        return EstimatorSpec(mode, loss=spec.loss, train_op=v1.train.GradientDescentOptimizer(0.1).minimize(spec.loss))

    with pytest.raises(InvalidInput, match="does not count the global step") as caught:
        estimator(tmp_path, model_fn).train(small_project.points, steps=3)
    assert "test_plain_loop.py:" in caught.value.where


def test_an_error_of_the_graph_names_the_users_line(tmp_path):
    """The line is the one that made the operation, not the one that ran it."""

    def model_fn(features, labels, mode, params):
        spec = small_project.line(features, labels, mode, params)
        wrong = features["x"] @ v1.placeholder_with_default(tf.zeros([2, 1]), [None, None])
        return EstimatorSpec(mode, loss=spec.loss + tf.reduce_sum(wrong), train_op=spec.train_op)

    with pytest.raises(InvalidInput, match="InvalidArgumentError while training: Matrix size-incompatible") as caught:
        estimator(tmp_path, model_fn).train(small_project.points, steps=3)
    line = model_fn.__code__.co_firstlineno + 2
    assert caught.value.where == f"test_plain_loop.py:{line}"


def test_a_failed_assertion_says_what_the_user_wrote(tmp_path):
    """The message of the assertion is the error's."""

    def model_fn(features, labels, mode, params):
        spec = small_project.line(features, labels, mode, params)
        with tf.control_dependencies([v1.debugging.assert_less(features["x"], -100.0, message="far too large")]):
            return EstimatorSpec(mode, loss=tf.identity(spec.loss), train_op=spec.train_op)

    with pytest.raises(InvalidInput, match=r"while training: assertion failed: \[far too large\]"):
        estimator(tmp_path, model_fn).train(small_project.points, steps=3)


def test_an_error_of_the_input_names_the_users_line(tmp_path):
    """A reader's own exception is told with its reason and its line."""

    def read(value):
        raise ValueError(f"sample {value} is broken")

    def input_fn():
        dataset = small_project.points({}, "eval").unbatch()
        return dataset.map(lambda x, y: (x, tf.numpy_function(read, [y], tf.float32))).batch(4)

    with pytest.raises(InvalidInput, match=r"sample .* is broken") as caught:
        estimator(tmp_path).train(input_fn, steps=3)
    assert caught.value.where == f"test_plain_loop.py:{read.__code__.co_firstlineno + 1}"


def test_training_begins_with_anothers_weights(tmp_path):
    """Of a checkpoint, only what the expression names; the rest begins as the model says."""
    estimator(tmp_path / "old").train(small_project.points, steps=20)
    old = weights(tmp_path / "old")
    settings = WarmStartSettings(str(tmp_path / "old"), vars_to_warm_start="slope")
    estimator(tmp_path / "new", params={"rate": 0.0}, warm_start_from=settings).train(small_project.points, steps=1)
    new = weights(tmp_path / "new")
    assert (new["slope"] == old["slope"]).all()
    assert (new["offset"], new["global_step"]) == (0.0, 1)


def test_a_model_dir_with_a_checkpoint_goes_before_a_warm_start(tmp_path):
    """Training goes on where it was; a path means all weights."""
    estimator(tmp_path / "old").train(small_project.points, steps=20)
    path = str(tmp_path / "old" / "model.ckpt-0")
    params = {"rate": 0.0}
    estimator(tmp_path / "new").train(small_project.points, steps=4)
    before = weights(tmp_path / "new")
    estimator(tmp_path / "new", params=params, warm_start_from=path).train(small_project.points, steps=1)
    assert (weights(tmp_path / "new")["slope"] == before["slope"]).all()


def test_a_warm_start_from_nothing_is_refused(tmp_path):
    """A path without a checkpoint is named."""
    with pytest.raises(NotFound, match="no checkpoint to begin with"):
        estimator(tmp_path, warm_start_from=tmp_path / "model.ckpt-7").train(small_project.points, steps=1)
    with pytest.raises(InvalidInput, match="warm_start_from is a int"):
        estimator(tmp_path, warm_start_from=3)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    """The variable that does not fit is named, for a shape and for a name."""

    def model_fn(features, labels, mode, params):
        v1.get_variable("more", [2])
        return small_project.line(features, labels, mode, params)

    estimator(tmp_path).train(small_project.points, steps=1)
    with pytest.raises(InvalidInput, match="the checkpoint has no variable 'more'"):
        estimator(tmp_path, model_fn).train(small_project.points, steps=1)


def test_a_device_is_asked_for_the_model(tmp_path):
    """device_fn is called with the model's operations, and what it says is where they are."""
    asked = []

    def device_fn(operation):
        asked.append(operation.name)
        return "/device:CPU:0"

    estimator(tmp_path, device_fn=device_fn).train(small_project.points, steps=1)
    assert "slope" in asked
