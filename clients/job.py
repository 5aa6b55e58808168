"""A job: everything about one request that does not change while it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from clients.sections import RunConfig
from clients.wording import PYTORCH, Wording
from wire.errors import InvalidInput
from wire.observed import Arrays
from wire.v1 import run_pb2

DataFunction = Callable[[dict[str, Any]], Any]
"""params -> an iterable of batches."""

WorkerCommand = Callable[[str, str], tuple[list[str], dict[str, str]]]
"""A coordinator's address and a session -> a worker's command line, and what its environment has besides ours."""

TRAIN = "train"
EVAL = "eval"


@dataclass(frozen=True, slots=True)
class Job:
    """One validate, compile, train or eval request.

    params: the whole params in force; data paths are absolute. config: its runconfig, typed.
    params_path: the file it was read from. model_dir: absolute. mode: "train" or "eval".
    cs_ip: HOST:PORT of the coordinator, None off the system. wording: of its log lines. on_saved: hears the step of
    each checkpoint that is there. on_observed: gets the step and the values that the model lets be seen of it.
    on_progress: hears how far the run is, at logged steps at least. on_begun: gets what stops the run as Ctrl-C does,
    from any thread. worker_command: what local workers are, where they are not to load a data function by name.
    counted_from: the step from which checkpoint_steps and log_steps are counted. succeeds: this process took the
    place of a chief that is gone: where its run has ended, that is followed, and nothing begun anew.
    """

    params: dict[str, Any]
    config: RunConfig
    params_path: Path
    model_dir: Path
    mode: str
    cs_ip: str | None = None
    train_data_fn: DataFunction | None = None
    eval_data_fn: DataFunction | None = None
    wording: Wording = PYTORCH
    on_saved: Callable[[int], None] | None = None
    on_observed: Callable[[int, Arrays], None] | None = None
    on_progress: Callable[[run_pb2.Progress], None] | None = None
    on_begun: Callable[[Callable[[], None]], None] | None = None
    worker_command: WorkerCommand | None = None
    counted_from: int = 0
    succeeds: bool = False

    @property
    def input_section(self) -> str:
        return "train_input" if self.mode == TRAIN else "eval_input"

    @property
    def data_fn(self) -> DataFunction:
        """The data function of this mode. Raises InvalidInput where run() was given none."""
        function = self.train_data_fn if self.mode == TRAIN else self.eval_data_fn
        if function is None:
            what = f"mode {self.mode} needs {self.mode}_data_fn"
            raise InvalidInput(what, where="run()", fix=f"pass {self.mode}_data_fn=... in run.py")
        return function

    def data_reference(self) -> str:
        """The data function as a worker can load it. Raises InvalidInput for a lambda or a closure."""
        return function_reference(self.data_fn)


def function_reference(function: Callable[..., Any]) -> str:
    """How another process finds a function: "package.module:name", or "/path/file.py:name" outside of packages.

    Raises InvalidInput for a lambda, a closure or anything else that its module does not name.
    """
    name = getattr(function, "__qualname__", "")
    module = inspect.getmodule(function)
    if not name.isidentifier() or module is None or getattr(module, name, None) is not function:
        raise InvalidInput(
            f"workers cannot load {name or function!r}: no module holds it under that name",
            where=_place(function),
            fix="define it with `def` at the top level of a file, such as data.py",
        )
    return f"{_module_reference(module)}:{name}"


def _module_reference(module: ModuleType) -> str:
    if module.__name__ != "__main__" and "." in module.__name__:
        return module.__name__
    if module.__file__ is None:
        what = f"workers cannot load module {module.__name__}: it comes from no file"
        raise InvalidInput(what, fix="put the data function in a file, such as data.py")
    return str(Path(module.__file__).absolute())


def _place(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""
