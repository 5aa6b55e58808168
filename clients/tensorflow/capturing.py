"""A job's model_fn over its input_fn, captured for what a run of the job will call."""

from __future__ import annotations

from functools import partial
from typing import Any

import tensorflow as tf

from clients.captured import Captured
from clients.input import LoaderInput, eval_plan, train_plan
from clients.job import EVAL, Job
from clients.replicas import is_open, replicas_of
from clients.tensorflow import exchange, plain_checkpoints
from clients.tensorflow.backends import Setup
from clients.tensorflow.calls import call_input_fn, place
from clients.tensorflow.capture import Captured as Graphs
from clients.tensorflow.capture import capture
from clients.tensorflow.host_summaries import HostSummaries
from streamer.advice.review import review, watching
from streamer.sources.tf_data import INFINITE, open_dataset
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput, Refused


def captured_job(setup: Setup, job: Job, host: HostSummaries | None = None, replicas: int | None = None) -> Captured:
    """Look at the dataset, capture the model_fn. host: is prepared for a host call of training.

    replicas: so many where the compiler chooses their number, None: as many as the run may simulate.

    Raises InvalidInput, NotFound or Refused.
    """
    with watching() as watched:
        dataset = _dataset(setup, job)
    source = LoaderInput.of(dataset)
    if job.mode == EVAL:
        plan = eval_plan(source, job.config)
        entry = Entry(EVALUATE, plan.batch_size)
    else:
        _require_endless(dataset, job)
        plan = train_plan(source, job.config, replicas_of(job.config, source.batch_size, allowed=True, given=replicas))
        entry = Entry(GRADIENTS, plan.batch_size // plan.replicas)
    spec = dataset.element_spec
    element = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, None)
    reviewed = partial(review, dataset, watched, source.opened, job.input_section)
    graphs = capture(_called(setup), element, [entry], seed=job.config.seed)
    every = 0
    if graphs.host_call is not None:
        (host or HostSummaries(setup.model_dir)).prepare(*graphs.host_call)
        every = setup.config.save_summary_steps or 0
    return Captured(
        source,
        plan,
        graphs.program,
        lambda: _begin(setup, graphs),
        reviewed,
        summary_steps=every,
        open_replicas=is_open(job.config, allowed=job.mode != EVAL),
    )


def _dataset(setup: Setup, job: Job) -> Any:
    made = call_input_fn(job.data_fn, setup.model.params, job.mode)
    if not isinstance(made, tf.data.Dataset):
        what = f"input_fn gives a {type(made).__name__}; the system is fed by workers, which walk a tf.data.Dataset"
        raise InvalidInput(what, where=place(job.data_fn), fix="return the dataset itself")
    return made


def _require_endless(dataset: Any, job: Job) -> None:
    if open_dataset(dataset).cardinality != INFINITE:
        what = "the training input ends, and the system trains for as many steps as it is told"
        raise InvalidInput(what, where=place(job.data_fn), fix="add .repeat() to the dataset of input_fn")


def _called(setup: Setup) -> Any:
    """The user's model_fn as the capture calls it, with the global step that tf.estimator always had."""

    def call(features: Any, labels: Any, mode: str) -> Any:
        tf.compat.v1.train.get_or_create_global_step()
        spec = setup.model.build(features, labels, mode)
        for hooks in ("training_hooks", "training_chief_hooks", "evaluation_hooks"):
            if getattr(spec, hooks, None):
                what = f"EstimatorSpec.{hooks} run between steps, which the system makes by itself"
                raise Refused(what, where=place(setup.model.model_fn), fix="leave them out, or use a host_call instead")
        return spec

    return call


def _begin(setup: Setup, graphs: Graphs) -> tuple[int, State]:
    """Where a run without a checkpoint of the system's begins: at TensorFlow's newest one, at a warm start, or anew."""
    newest = plain_checkpoints.newest(setup.model_dir)
    if newest is not None:
        return plain_checkpoints.step_of(newest), exchange.state_of(newest, graphs.program)
    fresh = graphs.state()
    if setup.warm_start is None:
        return 0, fresh
    return 0, exchange.warmed(fresh, setup.warm_start, graphs.program)
