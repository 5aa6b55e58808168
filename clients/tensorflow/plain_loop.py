"""Training in this process: a graph, a session, checkpoints, events."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from clients.errors import Interrupted
from clients.tensorflow import plain_checkpoints
from clients.tensorflow.backends import Setup, Training
from clients.tensorflow.calls import call_input_fn, features_and_labels, place, rows
from clients.tensorflow.estimator_spec import EstimatorSpec
from clients.tensorflow.graph_errors import graph_errors
from clients.tensorflow.modes import ModeKeys
from clients.tensorflow.plain_hooks import Watch
from clients.tensorflow.run_config import RunConfig
from clients.tensorflow.warm_start import warm_start
from wire.errors import InvalidInput

log = logging.getLogger("tensorflow")


def train(setup: Setup, asked: Training) -> None:
    """Train on from the newest checkpoint. Leaves model.ckpt-<step> and events in the model_dir.

    Raises InvalidInput for what the user's code does and a loss that is no number, Exhausted for a full disk or
    memory, and Interrupted after Ctrl-C, when a checkpoint was saved.
    """
    found = plain_checkpoints.newest(setup.model_dir)
    begin = 0 if found is None else plain_checkpoints.step_of(found)
    last = _last_step(asked, begin)
    if begin >= last:
        log.info("Skipping training since max_steps has already saved.")
        return
    with fresh_graph(setup.config):
        step = _Step.build(setup, asked)
        watch = Watch(step.fetches["loss"], begin, setup.config.log_step_count_steps or 0, str(setup.model_dir))
        with graph_errors("training"):
            stopped = _loop(_session(setup, asked, step, found, watch), step, watch, last)
    if stopped:
        saved = plain_checkpoints.newest(setup.model_dir)
        raise Interrupted(f"stopped by Ctrl-C; the same command goes on from {saved}")
    _conclude(watch)


@contextmanager
def fresh_graph(config: RunConfig) -> Iterator[None]:
    """A graph of its own with the seed of the config, and the global step in it.

    The seed is also that of Keras, which draws initial weights itself, and of `random` and `numpy.random`.
    """
    with tf.Graph().as_default():
        if config.tf_random_seed is not None:
            tf.keras.utils.set_random_seed(config.tf_random_seed)
        tf.compat.v1.train.get_or_create_global_step()
        yield


def build(setup: Setup, input_fn: Any, mode: str) -> tuple[EstimatorSpec, Any]:
    """The operations of a mode in the default graph, and how many samples a batch has (an int or a tensor)."""
    with tf.device("/cpu:0"):
        features, labels = features_and_labels(call_input_fn(input_fn, setup.model.params, mode))
    with tf.compat.v1.device(setup.config.device_fn):
        labels = None if mode == ModeKeys.PREDICT else labels
        return setup.model.build_plain(features, labels, mode), rows((features, labels))


def session_config(config: RunConfig) -> Any:
    """How sessions are made; operations without a kernel for the chosen device run on the CPU."""
    return config.session_config or tf.compat.v1.ConfigProto(allow_soft_placement=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step runs."""

    spec: EstimatorSpec
    fetches: dict[str, Any]

    @classmethod
    def build(cls, setup: Setup, asked: Training) -> _Step:
        spec, count = build(setup, asked.input_fn, ModeKeys.TRAIN)
        global_step = tf.compat.v1.train.get_global_step()
        train_op = tf.group(spec.train_op)
        if not _counts(train_op, global_step):
            what = "train_op does not count the global step, so training would never end"
            fix = "pass global_step=tf.compat.v1.train.get_or_create_global_step() to minimize or apply_gradients"
            raise InvalidInput(what, where=place(setup.model.model_fn), fix=fix)
        with tf.control_dependencies([train_op]):
            after = global_step.read_value()
        loss = tf.reshape(spec.loss, [])
        summaries = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.SUMMARIES)
        if not any(summary.op.name == "loss" for summary in summaries):
            tf.compat.v1.summary.scalar("loss", loss)
        return cls(spec, {"step": after, "loss": loss, "rows": tf.convert_to_tensor(count)})


def _counts(train_op: Any, global_step: Any) -> bool:
    """Whether an operation that train_op waits for changes the global step."""
    handle = getattr(global_step, "handle", global_step)
    seen, waiting = {train_op}, [train_op]
    while waiting:
        operation = waiting.pop()
        if operation.type != "ReadVariableOp" and any(tensor is handle for tensor in operation.inputs):
            return True
        before = {tensor.op for tensor in operation.inputs} | set(operation.control_inputs)
        waiting += before - seen
        seen |= before
    return False


def _last_step(asked: Training, begin: int) -> int:
    if asked.steps is not None:
        return begin + asked.steps
    return sys.maxsize if asked.max_steps is None else asked.max_steps


def _session(setup: Setup, asked: Training, step: _Step, found: str | None, watch: Watch) -> Any:
    config, v1 = setup.config, tf.compat.v1
    if found is None and setup.warm_start is not None:
        warm_start(setup.warm_start)
    keep = config.keep_checkpoint_max or None
    hours = config.keep_checkpoint_every_n_hours
    given = step.spec.scaffold
    saver = given.saver if given is not None and given.saver is not None else None
    if saver is None:
        saver = v1.train.Saver(max_to_keep=keep, keep_checkpoint_every_n_hours=hours, save_relative_paths=True)
        if found is not None:
            plain_checkpoints.require_fit(found, v1.global_variables())
    saver.recover_last_checkpoints(plain_checkpoints.every(setup.model_dir))
    scaffold = v1.train.Scaffold(saver=saver, copy_from_scaffold=given)
    creator = v1.train.ChiefSessionCreator(scaffold, config=session_config(config), checkpoint_filename_with_path=found)
    return v1.train.MonitoredSession(creator, hooks=_hooks(setup, asked, step.spec, scaffold, watch))


def _hooks(setup: Setup, asked: Training, spec: EstimatorSpec, scaffold: Any, watch: Watch) -> list[Any]:
    config, v1, folder = setup.config, tf.compat.v1, str(setup.model_dir)
    hooks = [watch, *asked.hooks, *(spec.training_hooks or ()), *(spec.training_chief_hooks or ())]
    if config.save_summary_steps:
        hooks.append(v1.train.SummarySaverHook(config.save_summary_steps, output_dir=folder, scaffold=scaffold))
    if config.save_checkpoints_secs:
        every = {"save_secs": config.save_checkpoints_secs}
    else:
        every = {"save_steps": config.save_checkpoints_steps or sys.maxsize}
    hooks.append(v1.train.CheckpointSaverHook(folder, scaffold=scaffold, listeners=asked.saving_listeners, **every))
    return hooks


def _loop(monitored: Any, step: _Step, watch: Watch, last: int) -> bool:
    """Run steps to the last one or the end of the input; gives whether Ctrl-C ended them. A checkpoint is left."""
    with monitored as session:
        watch.start()
        try:
            while watch.step < last and not session.should_stop():
                made = session.run(step.fetches)
                watch.took(int(made["step"]), float(made["loss"]), int(made["rows"]))
        except KeyboardInterrupt:
            return True
    return False


def _conclude(watch: Watch) -> None:
    rate = watch.samples / max(watch.seconds, 1e-9)
    line = "Training finished with %d samples in %.2f seconds, %.2f samples/second."
    log.info(line, watch.samples, watch.seconds, rate)
    log.info("Loss for final step: %s.", f"{watch.loss:.6g}")
