"""What a loop of that time asks for, as a job of today, and the model that it calls, captured."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from clients.captured import Captured
from clients.job import Job
from clients.pytorch.capture import initial_weights
from clients.pytorch.compiling import captured_job
from clients.pytorch.model import PyTorchBaseModel
from clients.pytorch.precision import Precision
from clients.sections import RunConfig
from clients.wording import PyTorchWording
from clients.working import here
from compat.pytorch.loop import Loop
from compat.pytorch.loss import loss_among
from compat.pytorch.modes import TRAIN
from compat.start import WEIGHT_STREAMING
from streamer.advice.review import Watched
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput
from wire.v1 import coordinator_pb2

FOLDER = "wafer"
KEPT = 2
"""How many of the system's own checkpoints are kept that the loop has left behind."""
WORKS_FOR = "COMPAT_WORKS_FOR"
"""What a local worker of a loop finds in its environment: coordinator and session."""

_NEVER = 2**31
_COMPILES = ("--validate_only", "--compile_only")


@dataclass
class Environment:
    """What `cbtorch.initialize` was told."""

    service_workdir: str = "."
    compile_dir: str | None = None
    cs_ip: str | None = None
    compile_only: bool = False
    appliance: bool = False
    use_cbfloat16: bool = False
    weight_streaming_mode: bool = False
    initialized: bool = False
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The service_workdir, absolute."""
        return Path(self.service_workdir).absolute()


class Silent(PyTorchWording):
    """The user's own loop says how far it is."""

    logger = "compat.unsaid"


class Called(PyTorchBaseModel):
    """The user's function of a batch, as the capture calls it."""

    def __init__(self, loop: Loop) -> None:
        assert loop.module is not None and loop.function is not None  # noqa: S101 - a batch has met a module
        self.model = loop.module
        self.mode = loop.mode
        self._precision = Precision(mixed=loop.precision.mixed)
        self.mixed_precision = loop.precision.mixed
        self.allow_multireplica = loop.mode == TRAIN
        self._loop, self._function = loop, loop.function

    def __call__(self, data: Any) -> torch.Tensor:
        self._loop.capturing, before = True, self._loop.capturing
        self._loop.closures.clear()
        try:
            loss: torch.Tensor = loss_among(self._function(data))
            return loss
        finally:
            self._loop.capturing = before


def job_of(loop: Loop, environment: Environment, left: coordinator_pb2.RunStatus | None = None) -> Job:
    """The job of a loop. left: the run of a chief that is gone, which a training loop goes on with.

    Raises InvalidInput for numbers that cannot be.
    """
    first = loop.optimizer.at_step if loop.mode == TRAIN and loop.optimizer is not None else 0
    config = RunConfig(
        mode="train" if loop.mode == TRAIN else "eval",
        cs_ip=environment.cs_ip,
        compile_dir=environment.compile_dir,
        max_steps=first + loop.total_steps if loop.mode == TRAIN else None,
        eval_steps=loop.total_steps or None if loop.mode != TRAIN else None,
        checkpoint_steps=loop.checkpoint_steps,
        log_steps=loop.fetch_steps or _NEVER,
        keep_checkpoint_max=KEPT if here().tasks == 1 else 0,  # a successor needs all that the loop has not seen
        multireplica=loop.replicas != 1,
        num_replicas=loop.replicas if loop.replicas > 1 else None,
        execution_strategy="weight_streaming" if os.environ.get(WEIGHT_STREAMING) else "pipeline",
        save_losses=False,
        check_loss_values=False,
        seed=torch.initial_seed() % 2**63 if left is None else left.spec.seed,
    )
    folder = environment.folder
    taken = left if loop.mode == TRAIN else None
    params = {"model": {}, "optimizer": _section(loop), "runconfig": {}, "csconfig": _csconfig(environment)}
    return Job(
        params=params,
        config=config,
        params_path=folder,
        model_dir=_model_dir(folder, loop.mode, taken) if environment.cs_ip else folder,
        mode="train" if loop.mode == TRAIN else "eval",
        cs_ip=environment.cs_ip,
        wording=Silent(),
        worker_command=_worker_command,
        counted_from=first,
        succeeds=taken is not None,
    )


def captured(loop: Loop, job: Job, replicas: int | None = None) -> Captured:
    """The model of a loop, captured; replicas: as of clients.captured. Raises InvalidInput, NotFound or Refused."""
    _require_in_optimizer(loop)
    made = captured_job(Called(loop), loop.loader, Watched(), job, replicas)
    first = job.config.max_steps - loop.total_steps if job.config.max_steps is not None else 0
    every = 1 if loop.mode != TRAIN else 0
    return replace(made, begin=lambda: (first, state_of(loop, first)), summary_steps=every)


def state_of(loop: Loop, step: int) -> State:
    """What the user's module and optimizer hold, as the system takes it. step: 0 for an optimizer without a past."""
    model = Called(loop)
    weights = initial_weights(model)
    if not step or loop.optimizer is None:
        return State(weights)
    kind = str(_section(loop)["optimizer_type"])
    return State(weights, loop.optimizer.state_arrays(names_of(loop)), {"optimizer_type": kind, **loop.precision.state})


def names_of(loop: Loop) -> dict[torch.Tensor, str]:
    """Parameter -> its name in the module."""
    return {} if loop.module is None else {parameter: name for name, parameter in loop.module.named_parameters()}


def _section(loop: Loop) -> dict[str, Any]:
    if loop.mode != TRAIN or loop.optimizer is None:
        return {}
    section: dict[str, Any] = loop.optimizer.section(names_of(loop))
    clipping = {"max_gradient_norm": loop.precision.max_gradient_norm} if loop.precision.max_gradient_norm else {}
    return {**section, **loop.precision.scaling, **clipping}


def _require_in_optimizer(loop: Loop) -> None:
    if loop.mode != TRAIN:
        return
    if loop.optimizer is None:
        raise InvalidInput("no optimizer was made", where="cbtorch.optimizer", fix="make one before the loop")
    given = {id(p) for group in loop.optimizer.param_groups for p in group["params"]}
    idle = [name for p, name in names_of(loop).items() if p.requires_grad and id(p) not in given]
    if idle:
        what = f"no parameter group of the optimizer holds {idle[0]!r}"
        raise InvalidInput(what, where="cbtorch.optimizer", fix="give it all parameters, or freeze this one")


def _csconfig(environment: Environment) -> dict[str, Any]:
    return {"use_cbfloat16": environment.use_cbfloat16}


def _model_dir(folder: Path, mode: str, taken: coordinator_pb2.RunStatus | None) -> Path:
    return _own_folder(folder, mode) if taken is None else Path(taken.spec.model_dir)


def _own_folder(folder: Path, mode: str) -> Path:
    """A new folder for the system's own checkpoints and reports of this run."""
    number = 1
    while True:
        own = folder / FOLDER / f"{mode}_{number}"
        try:
            own.mkdir(parents=True)
            return own
        except FileExistsError:
            number += 1


def _worker_command(coordinator: str, session: str) -> tuple[list[str], dict[str, str]]:
    words = working_words(sys.orig_argv[1:], coordinator)
    return [sys.executable, *words], {WORKS_FOR: f"{coordinator} {session}"}


def working_words(words: Sequence[str], coordinator: str) -> list[str]:
    """The user's own command line as one that reaches the loop, where it asks for a compile only."""
    kept = [word for word in words if word not in _COMPILES]
    names_system = any(word.partition("=")[0] == "--cs_ip" for word in words)
    return kept if names_system or len(kept) == len(words) else [*kept, "--cs_ip", coordinator]


logging.getLogger(Silent.logger).setLevel(logging.CRITICAL + 1)
