"""`cerebras.framework.torch`, which code of that time calls cbtorch."""

from __future__ import annotations

import functools
import logging
from functools import partial
from typing import Any

import torch

from clients import compiling
from compat.pytorch import jobs, loop
from compat.pytorch.jobs import Environment
from compat.pytorch.loaders import DataLoader
from compat.pytorch.optimizers import Optimizer
from compat.pytorch.rates import RateTracker
from compat.pytorch.session import Session as _Session

log = logging.getLogger("compat")

ENVIRONMENT = Environment()


class State:
    """What a run of this process knows of itself."""

    def __init__(self) -> None:
        self.metrics: list[Any] = []
        self.modules: list[torch.nn.Module] = []
        self.session: _Session | None = None

    @property
    def is_inside_execution_loop(self) -> bool:
        return loop.CURRENT.run_step > 0

    @property
    def mixed_precision(self) -> bool:
        return loop.CURRENT.precision.mixed

    @property
    def rate_tracker(self) -> RateTracker | None:
        """Rates of the run; None where nothing ran. Waits for a run whose last step the loop has made."""
        return None if self.session is None else RateTracker.of(self.session.outcome())

    def register_metric(self, metric: Any) -> None:
        self.metrics.append(metric)

    def track_object(self, tracked: Any) -> None:
        """Nothing: the function that makes the loss is captured whole."""


STATE = State()


def initialize(  # noqa: PLR0913, PLR0917 - the arguments are CSoft's
    service_workdir: str = ".",
    compile_dir: str | None = None,
    cs_ip: str | None = None,
    compile_only: bool = False,
    appliance: bool = False,
    use_cbfloat16: bool = False,
    **others: Any,
) -> None:
    """Say where the system is and where files go. Anything else is kept in `env()` and has no effect."""
    ENVIRONMENT.service_workdir, ENVIRONMENT.compile_dir = service_workdir, compile_dir
    ENVIRONMENT.cs_ip, ENVIRONMENT.compile_only, ENVIRONMENT.appliance = cs_ip, compile_only, appliance
    ENVIRONMENT.use_cbfloat16, ENVIRONMENT.others = use_cbfloat16, others
    ENVIRONMENT.initialized = True


def env() -> Environment:
    """What `initialize` was told."""
    return ENVIRONMENT


def state() -> State:
    """What a run of this process knows of itself."""
    return STATE


def module(model: torch.nn.Module, device: Any = None) -> torch.nn.Module:
    """The module itself; in a loop on the system a call of it gives the system's values."""
    original = model.forward

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        return loop.CURRENT.forward(model, original, args, kwargs)

    model.forward = forward
    loop.CURRENT.module = model
    STATE.modules.append(model)
    return model


def optimizer(made: torch.optim.Optimizer) -> Optimizer:
    """The user's optimizer, which the system's own one stands in for."""
    loop.CURRENT.optimizer = ours = Optimizer(made)
    return ours


def dataloader(loader: Any, use_parallel_loader: bool = True) -> DataLoader:
    """The user's loader, as the loop walks it."""
    return DataLoader(loader)


def Session(loader: Any, mode: str) -> _Session:  # noqa: N802 - the name is CSoft's
    """A run of the system for the loop inside it."""
    STATE.session = _Session(loop.CURRENT, ENVIRONMENT, loader, mode)
    return STATE.session


def compile(fabric_config_file: str | None = None, validate_only: bool = False) -> bool:
    """Check what the loop has called; unless validate_only, leave its executable. Raises Faults.

    fabric_config_file has no effect: `runconfig.machine` of today's projects says which machine is meant.
    """
    if fabric_config_file:
        log.warning("fabric_config_file has no effect: estimates are of the CS-2")
    job = jobs.job_of(loop.CURRENT, ENVIRONMENT)
    work = compiling.validate if validate_only else compiling.compile_job
    work(partial(jobs.captured, loop.CURRENT, job), job)
    return True


__all__ = ["Session", "compile", "dataloader", "env", "initialize", "module", "optimizer", "state"]
