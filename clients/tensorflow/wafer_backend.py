"""An estimator's work on the system: captured here, run by the wafer, fed by workers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clients import compiling, wafer_loop
from clients import params as params_files
from clients.job import EVAL, TRAIN, Job
from clients.sections import RunConfig, SystemKeys
from clients.tensorflow import exchange, plain_checkpoints
from clients.tensorflow.backends import Compilation, Evaluation, Prediction, Setup, Training
from clients.tensorflow.calls import InputFn
from clients.tensorflow.capturing import captured_job
from clients.tensorflow.host_summaries import HostSummaries
from clients.tensorflow.modes import ModeKeys
from clients.tensorflow.run_config import CSRunConfig
from clients.tensorflow.wording import TensorflowWording
from clients.working import work_unless_chief
from streamer.input_function import InputFunction
from streamer.user_loader import made_input
from wire.errors import InvalidInput, NotFound, Refused

log = logging.getLogger("tensorflow")

NEVER = 2**31
"""Steps between two log lines that nobody asked for."""


class WaferBackend:
    """The wafer behind config.cs_ip. Its own keys (num_workers, multireplica, ...) are those of params["runconfig"]."""

    def compile(self, setup: Setup, asked: Compilation) -> None:
        """Check the model; unless validate_only, leave its executable."""
        mode = TRAIN if asked.mode == ModeKeys.TRAIN else EVAL
        job = _job(setup, mode, asked.input_fn)
        work = compiling.validate if asked.validate_only else compiling.compile_job
        work(partial(captured_job, setup, job, None), job)

    def train(self, setup: Setup, asked: Training) -> None:
        """Train to the end, and leave model.ckpt-<step> beside each checkpoint_<step>, and a host call's summaries."""
        _require_address(setup)
        succeeds = _work_unless_chief(setup, asked.input_fn, TRAIN)
        if asked.hooks or asked.saving_listeners:
            what = "hooks and saving_listeners run between steps, which the system makes by itself"
            raise Refused(what, where="train", fix="leave them out, or use a host_call instead")
        if asked.steps is None and asked.max_steps is None:
            what = "nothing says how long to train: the input of the system has no end"
            raise InvalidInput(what, where="train", fix="pass steps=... or max_steps=...")
        length = {"num_steps": asked.steps} if asked.steps is not None else {"max_steps": asked.max_steps}
        with closing(HostSummaries(setup.model_dir)) as host:
            job = _job(setup, TRAIN, asked.input_fn, **length)
            job = replace(job, on_saved=partial(_export, setup), on_observed=host.write, succeeds=succeeds)
            params_files.dump(setup.model.params, setup.model_dir, TRAIN)
            wafer_loop.train(partial(captured_job, setup, job, host), job)

    def evaluate(self, setup: Setup, asked: Evaluation) -> dict[str, Any]:
        """The metrics of a checkpoint, with "loss" and "global_step"."""
        _require_address(setup)
        succeeds = _work_unless_chief(setup, asked.input_fn, EVAL)
        if asked.hooks:
            raise Refused("hooks cannot run on the system", where="evaluate", fix="leave them out")
        checkpoint = _checkpoint(setup, asked.checkpoint_path)
        job = _job(setup, EVAL, asked.input_fn, eval_steps=asked.steps, checkpoint_path=checkpoint)
        params_files.dump(setup.model.params, setup.model_dir, EVAL)
        outcome = wafer_loop.evaluate(partial(captured_job, setup, job, None), replace(job, succeeds=succeeds))
        step = int(Path(checkpoint).name.removeprefix("checkpoint_"))
        return {**outcome.metrics, "loss": outcome.loss, "global_step": step}

    def predict(self, setup: Setup, asked: Prediction) -> Iterator[Any]:
        """Raises Refused: nothing comes back from the system but metrics."""
        what = "predictions are made off the system, from model.ckpt-<step>"
        raise Refused(what, where="predict", fix="pass use_cs=False, or leave cs_ip out")


def _require_address(setup: Setup) -> None:
    if not (isinstance(setup.config, CSRunConfig) and setup.config.cs_ip):
        what = "nothing says where the system is"
        raise InvalidInput(what, where="use_cs=True", fix="set cs_ip in CSRunConfig, or give --cs_ip HOST")


def _work_unless_chief(setup: Setup, input_fn: InputFn, mode: str) -> bool:
    """In a task that is not the first one: host the streams of this input, and end the process or succeed the chief."""
    make = InputFunction(input_fn, setup.model.params, mode)
    address = setup.config.cs_ip if isinstance(setup.config, CSRunConfig) else None
    return work_unless_chief(address, str(setup.model_dir), lambda seed: made_input(make, seed=seed))


def _job(setup: Setup, mode: str, input_fn: InputFn, **keys: Any) -> Job:
    config, params = setup.config, setup.model.params
    given = params.get("runconfig") or {}
    system = {key: given[key] for key in SystemKeys.model_fields if key in given and key not in _OWN}
    run = RunConfig(
        **system,
        mode="train" if mode == TRAIN else "eval",
        compile_dir=None if setup.compile_dir is None else str(setup.compile_dir),
        keep_checkpoint_max=config.keep_checkpoint_max or 0,
        checkpoint_steps=config.save_checkpoints_steps or 0,
        log_steps=config.log_step_count_steps or NEVER,
        save_losses=bool(config.save_summary_steps),
        seed=config.tf_random_seed or 0,
        **keys,
    )
    return Job(
        params=params,
        config=run,
        params_path=setup.model_dir / mode / f"params_{mode}.yaml",
        model_dir=setup.model_dir,
        mode=mode,
        cs_ip=config.cs_ip if isinstance(config, CSRunConfig) else None,
        train_data_fn=input_fn if mode == TRAIN else None,
        eval_data_fn=input_fn if mode == EVAL else None,
        wording=TensorflowWording(),
    )


_OWN = ("compile_dir", "keep_checkpoint_max", "max_steps", "eval_steps", "checkpoint_path")


def _export(setup: Setup, step: int) -> None:
    with suppress(NotFound):  # a later one has taken its place already
        exchange.export(setup.model_dir, step, setup.config.keep_checkpoint_max or 0)


def _checkpoint(setup: Setup, given: str | None) -> str:
    """The system's checkpoint that stands beside TensorFlow's. Raises NotFound."""
    path = Path(plain_checkpoints.require(setup.model_dir, given))
    beside = path.parent / f"checkpoint_{plain_checkpoints.step_of(str(path))}"
    if not beside.is_dir():
        what = f"{path.name} was written off the system: there is no {beside.name} beside it"
        raise NotFound(what, where=str(path.parent), fix="evaluate without cs_ip, or train on the system first")
    return str(beside)
