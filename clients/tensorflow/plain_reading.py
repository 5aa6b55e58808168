"""Evaluation and prediction in this process, with the weights of a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import tensorflow as tf

from clients.tensorflow import plain_checkpoints
from clients.tensorflow.backends import Evaluation, Prediction, Setup
from clients.tensorflow.estimator_spec import EstimatorSpec
from clients.tensorflow.graph_errors import graph_errors
from clients.tensorflow.modes import ModeKeys
from clients.tensorflow.plain_loop import build, fresh_graph, session_config
from wire.errors import InvalidInput, nearest

log = logging.getLogger("tensorflow")


def evaluate(setup: Setup, asked: Evaluation) -> dict[str, Any]:
    """The metrics of a checkpoint: "loss", the mean over samples, "global_step", and what model_fn asks for.

    They are written as events to model_dir/eval, or model_dir/eval_<name>. Raises NotFound where there is no
    checkpoint, InvalidInput for an input without a batch and for what the user's code does.
    """
    path = plain_checkpoints.require(setup.model_dir, asked.checkpoint_path)
    with fresh_graph(setup.config):
        spec, count = build(setup, asked.input_fn, ModeKeys.EVAL)
        values, updates = _metrics(spec, count)
        final = tf.compat.v1.train.FinalOpsHook(values)
        hooks = [*asked.hooks, *(spec.evaluation_hooks or ()), final]
        with graph_errors("evaluating"):
            batches = _run_all(_session(setup, spec, path, hooks), updates, asked.steps)
        if not batches:
            raise InvalidInput("the evaluation input has no batch", where="input_fn", fix="lower batch_size")
        results = {name: _plain(value) for name, value in final.final_ops_values.items()}
        _write(setup, asked.name, results)
    return results


def predict(setup: Setup, asked: Prediction) -> Iterator[Any]:
    """The predictions of a checkpoint; nothing is done before the first one is asked for.

    Raises as `evaluate`, and InvalidInput for a key that is no prediction and predictions that are no batches.
    """
    path = plain_checkpoints.require(setup.model_dir, asked.checkpoint_path)
    return islice(_predictions(setup, asked, path), asked.samples)


def _predictions(setup: Setup, asked: Prediction, path: str) -> Iterator[Any]:
    with ExitStack() as stack:
        with fresh_graph(setup.config), graph_errors("predicting"):
            spec, _ = build(setup, asked.input_fn, ModeKeys.PREDICT)
            fetches = _wanted(spec.predictions, asked.keys)
            hooks = [*asked.hooks, *(spec.prediction_hooks or ())]
            session = stack.enter_context(_session(setup, spec, path, hooks))
        while not session.should_stop():
            with graph_errors("predicting"):
                batch = _batch(session, fetches)
            if batch is None:
                return
            yield from _samples(batch) if asked.single else [batch]


def _session(setup: Setup, spec: EstimatorSpec, path: str, hooks: Sequence[Any]) -> Any:
    scaffold = spec.scaffold or tf.compat.v1.train.Scaffold()
    if scaffold.saver is None:
        plain_checkpoints.require_fit(path, tf.compat.v1.global_variables())
    creator = tf.compat.v1.train.ChiefSessionCreator(
        scaffold, config=session_config(setup.config), checkpoint_filename_with_path=path
    )
    return tf.compat.v1.train.MonitoredSession(creator, hooks=hooks)


def _metrics(spec: EstimatorSpec, count: Any) -> tuple[dict[str, Any], list[Any]]:
    """What to read at the end, by name, and what to run for each batch."""
    weight = tf.maximum(tf.cast(count, tf.float32), 1.0)
    mean = tf.compat.v1.metrics.mean(tf.reshape(spec.loss, []), weights=weight)
    values, updates = {"loss": mean[0]}, [mean[1]]
    for name, metric in (spec.eval_metric_ops or {}).items():
        values[name], update = _pair(metric)
        updates.append(update)
    values["global_step"] = tf.compat.v1.train.get_global_step().read_value()
    return values, updates


def _pair(metric: Any) -> tuple[Any, Any]:
    if isinstance(metric, tuple | list):
        return metric[0], metric[1]
    local = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.LOCAL_VARIABLES)
    for variable in metric.variables:
        if not any(variable is known for known in local):
            tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.LOCAL_VARIABLES, variable)
    return metric.result(), tf.group(*metric.updates)


def _run_all(monitored: Any, updates: list[Any], steps: int | None) -> int:
    """Run so many batches, or all; gives how many there were."""
    batches = 0
    with monitored as session:
        while not session.should_stop() and (steps is None or batches < steps):
            session.run(updates)
            batches += 1
    return batches


def _plain(value: Any) -> Any:
    return value.item() if getattr(value, "ndim", 1) == 0 else value


def _write(setup: Setup, name: str | None, results: Mapping[str, Any]) -> None:
    step = results["global_step"]
    numbers = {key: value for key, value in sorted(results.items()) if isinstance(value, int | float)}
    log.info("Saving dict for global step %d: %s", step, ", ".join(f"{k} = {v:.6g}" for k, v in numbers.items()))
    folder = setup.model_dir / (f"eval_{name}" if name else "eval")
    # Files are named by the second; two evaluations in one must not share theirs.
    writer = tf.compat.v1.summary.FileWriter(str(folder), filename_suffix=f".{step}")
    values = [tf.compat.v1.Summary.Value(tag=k, simple_value=v) for k, v in numbers.items() if k != "global_step"]
    writer.add_summary(tf.compat.v1.Summary(value=values), step)
    writer.close()


def _wanted(predictions: Any, keys: Sequence[str] | None) -> Any:
    if keys is None:
        return predictions
    if not isinstance(predictions, Mapping):
        what = "predict_keys was given, but the predictions are one tensor"
        raise InvalidInput(what, where="predict", fix="leave predict_keys out, or give a dict of predictions")
    for key in keys:
        if key not in predictions:
            raise InvalidInput(f"there is no prediction {key!r}", where="predict", fix=nearest(key, tuple(predictions)))
    return {key: predictions[key] for key in keys}


def _batch(session: Any, fetches: Any) -> Any:
    """The predictions of the next batch, None after the last one."""
    try:
        return session.run(fetches)
    except tf.errors.OutOfRangeError:
        return None


def _samples(batch: Any) -> Iterator[Any]:
    if not isinstance(batch, Mapping):
        yield from batch
        return
    lengths = {name: int(value.shape[0]) if value.ndim else -1 for name, value in batch.items()}
    length = next(iter(lengths.values()))
    if length < 0 or set(lengths.values()) != {length}:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in batch.items())
        what = f"predictions are not samples along one axis: {shapes}"
        raise InvalidInput(what, where="predict", fix="pass yield_single_examples=False")
    for row in range(length):
        yield {name: value[row] for name, value in batch.items()}
