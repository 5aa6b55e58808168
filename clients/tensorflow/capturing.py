"""A job's model_fn over its input_fn, captured for what a run of the job will call."""

from __future__ import annotations

from functools import partial
from typing import Any

import tensorflow as tf

from clients.captured import Captured
from clients.input import LoaderInput, eval_plan, train_plan
from clients.job import EVAL, TRAIN, Job
from clients.replicas import is_open, replicas_of
from clients.tensorflow import exchange, plain_checkpoints
from clients.tensorflow.backends import Setup
from clients.tensorflow.building import fields
from clients.tensorflow.calls import call_input_fn, place
from clients.tensorflow.capture import Captured as Graphs
from clients.tensorflow.capture import capture
from clients.tensorflow.host_summaries import HostSummaries
from streamer.advice.review import review, watching
from streamer.sources.tf_data import INFINITE, open_dataset
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput, Refused
from wire.findings import Findings, located
from wire.v1 import run_pb2

_KINDS = {TRAIN: GRADIENTS, EVAL: EVALUATE}


def captured_job(setup: Setup, job: Job, host: HostSummaries | None = None, replicas: int | None = None) -> Captured:
    """Look at the dataset, capture the model_fn. host: is prepared for a host call of training.

    replicas: so many where the compiler chooses their number, None: as many as the run may simulate.

    Raises InvalidInput, NotFound or Refused; problems of input and model that do not need each other together.
    """
    with watching() as watched:
        dataset = _dataset(setup, job)
    findings, element = Findings(), _element(dataset)
    with findings, located(place(job.data_fn)):
        source = LoaderInput.of(dataset)
    rows, readable = _rows_said(job), not findings
    if readable:
        rows = source.batch_size
        with findings:
            _require_endless(dataset, job)
        with findings:
            plan = _plan(source, job, replicas)
            rows = plan.batch_size // plan.replicas
    if rows and _fits(element, findings if readable else Findings(), job):
        with findings:
            graphs = capture(_called(setup, findings), element, [Entry(_KINDS[job.mode], rows)], seed=job.config.seed)
    findings.settle()
    return Captured(
        source,
        plan,
        graphs.program,
        lambda: _begin(setup, graphs),
        partial(review, dataset, watched, source.opened, job.input_section),
        summary_steps=_observed(setup, graphs, host),
        open_replicas=is_open(job.config, allowed=job.mode != EVAL),
    )


def _element(dataset: Any) -> tuple[Any, Any]:
    """Features and labels of a dataset's batches; labels None where there are none."""
    spec = dataset.element_spec
    return spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, None)


def _rows_said(job: Job) -> int:
    """The batch size of the params, for a look at the model over an input that does not have one; 0: none is said."""
    said = (job.params.get(job.input_section) or {}).get("batch_size")
    return said if isinstance(said, int) else 0


def _fits(element: Any, findings: Findings, job: Job) -> bool:
    """Whether a model can be built over these fields. findings: get those that it cannot be built over."""
    with findings, located(place(job.data_fn)):
        return bool(fields(element))
    return False


def _plan(source: LoaderInput, job: Job, replicas: int | None) -> run_pb2.DataPlan:
    if job.mode == EVAL:
        return eval_plan(source, job.config)
    return train_plan(source, job.config, replicas_of(job.config, source.batch_size, allowed=True, given=replicas))


def _observed(setup: Setup, graphs: Graphs, host: HostSummaries | None) -> int:
    """Every how many steps a host call of training gets its values, for which `host` is prepared; 0: never."""
    if graphs.host_call is None:
        return 0
    (host or HostSummaries(setup.model_dir)).prepare(*graphs.host_call)
    return setup.config.save_summary_steps or 0


def _dataset(setup: Setup, job: Job) -> Any:
    made = call_input_fn(job.data_fn, setup.model.params, job.mode)
    if not isinstance(made, tf.data.Dataset):
        what = f"input_fn gives a {type(made).__name__}; the system is fed by workers, which walk a tf.data.Dataset"
        raise InvalidInput(what, where=place(job.data_fn), fix="return the dataset itself")
    return made


def _require_endless(dataset: Any, job: Job) -> None:
    if job.mode != EVAL and open_dataset(dataset).cardinality != INFINITE:
        what = "the training input ends, and the system trains for as many steps as it is told"
        raise InvalidInput(what, where=place(job.data_fn), fix="add .repeat() to the dataset of input_fn")


def _called(setup: Setup, findings: Findings) -> Any:
    """The user's model_fn as the capture calls it, with the global step that tf.estimator always had.

    findings: get the hooks that its spec has.
    """

    def call(features: Any, labels: Any, mode: str) -> Any:
        tf.compat.v1.train.get_or_create_global_step()
        spec = setup.model.build(features, labels, mode)
        for hooks in ("training_hooks", "training_chief_hooks", "evaluation_hooks"):
            with findings:
                if getattr(spec, hooks, None):
                    what = f"EstimatorSpec.{hooks} run between steps, which the system makes by itself"
                    raise Refused(what, where=spec.made_at, fix="leave them out, or use a host_call instead")
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
