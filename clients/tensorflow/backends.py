"""Where an estimator's work is done: in this process, or on the system. Both speak the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clients.tensorflow.calls import InputFn, Model
from clients.tensorflow.run_config import CSRunConfig, RunConfig
from clients.tensorflow.warm_start import WarmStartSettings


@dataclass(frozen=True, slots=True)
class Setup:
    """What all work of an estimator shares. model_dir: absolute. compile_dir: of executables, None: the model_dir."""

    model: Model
    model_dir: Path
    config: RunConfig
    warm_start: WarmStartSettings | None = None
    compile_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """steps: so many more; max_steps: to this step. At most one is set; neither: to the end of the input."""

    input_fn: InputFn
    hooks: Sequence[Any] = ()
    steps: int | None = None
    max_steps: int | None = None
    saving_listeners: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """steps: batches, None for all of the input. checkpoint_path: None for the newest. name: of this evaluation."""

    input_fn: InputFn
    steps: int | None = None
    hooks: Sequence[Any] = ()
    checkpoint_path: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """keys: of the predictions that are wanted, None for all. single: one sample at a time, else whole batches.

    samples: the most that are given, None for all of the input.
    """

    input_fn: InputFn
    keys: Sequence[str] | None = None
    hooks: Sequence[Any] = ()
    checkpoint_path: str | None = None
    single: bool = True
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class Compilation:
    """validate_only: stop after the kernels are matched, and leave nothing."""

    input_fn: InputFn
    validate_only: bool
    mode: str


class Backend(Protocol):
    """Does the work of an estimator."""

    def compile(self, setup: Setup, asked: Compilation) -> None: ...

    def train(self, setup: Setup, asked: Training) -> None: ...

    def evaluate(self, setup: Setup, asked: Evaluation) -> dict[str, Any]: ...

    def predict(self, setup: Setup, asked: Prediction) -> Iterator[Any]: ...


def _system() -> Backend:
    from clients.tensorflow.wafer_backend import WaferBackend

    return WaferBackend()


def _here() -> Backend:
    from clients.tensorflow.plain_backend import PlainBackend

    return PlainBackend()


SYSTEM: Callable[[], Backend] = _system
"""The door to the system: what gives its backend."""

HERE: Callable[[], Backend] = _here


def choose(config: RunConfig, use_cs: bool | None) -> Backend:
    """The system's backend where use_cs or a cs_ip asks for it, else this process."""
    has_system = isinstance(config, CSRunConfig) and bool(config.cs_ip)
    return SYSTEM() if (has_system if use_cs is None else use_cs) else HERE()
