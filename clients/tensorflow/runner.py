"""run(): what run.py of a TensorFlow project calls. Parse, check, dispatch."""

from __future__ import annotations

import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients import params as params_files
from clients.arguments import ExtraParsers, parse
from clients.ending import one_screen
from clients.in_force import DefaultParams, in_force
from clients.progress import LogLines
from clients.sources import is_users
from clients.tensorflow.flags import TENSORFLOW
from clients.tensorflow.sections import RunSection, check
from clients.working import failure_told, take_place
from wire.errors import InvalidInput
from wire.findings import Findings

if TYPE_CHECKING:
    from clients.tensorflow.estimator import CerebrasEstimator

ModelFn = Callable[..., Any]
InputFn = Callable[..., Any]
StackParams = Callable[[dict[str, Any]], dict[str, Any]]

DEFAULT_PARAMS = Path("configs") / "params.yaml"
MODES = ("train", "eval", "eval_all", "train_and_eval", "predict")
READ_IN = {"train_input": MODES, "eval_input": ("eval", "eval_all", "train_and_eval", "predict")}
PREDICTIONS = "predictions.npz"

_DEPRECATED = re.compile(r"From (?P<file>.+?):\d+: .* is deprecated")

log = logging.getLogger("tensorflow")


@dataclass(frozen=True, slots=True)
class Project:
    """The functions of a user's project."""

    model_fn: ModelFn
    train_input_fn: InputFn
    eval_input_fn: InputFn | None
    predict_input_fn: InputFn | None
    stack_params_fn: StackParams | None


def run(  # noqa: PLR0913, PLR0917 - each is a function of the user's project
    model_fn: ModelFn,
    train_input_fn: InputFn,
    eval_input_fn: InputFn | None = None,
    predict_input_fn: InputFn | None = None,
    default_params_fn: DefaultParams | None = None,
    stack_params_fn: StackParams | None = None,
    extra_args_parser_fn: ExtraParsers | None = None,
) -> None:
    """Run the workflow that the command line asks for: validate, compile, train, evaluate or predict.

    predict_input_fn: by default eval_input_fn, whose labels are left out. default_params_fn: fills in params, in
    place or as its result. stack_params_fn: params -> CSRunConfig's stack_params. extra_args_parser_fn: parsers with
    flags of the model's own, made with add_help=False. Without --params it is configs/params.yaml beside run.py. Ends
    the process with 1 after an error, which is one screen on stderr, and with 130 after Ctrl-C.
    """
    folder = Path(inspect.stack()[1].filename).resolve().parent
    project = Project(model_fn, train_input_fn, eval_input_fn, predict_input_fn, stack_params_fn)
    with one_screen():
        default = folder / DEFAULT_PARAMS
        arguments = parse(sys.argv[1:], TENSORFLOW, extra_args_parser_fn, default if default.is_file() else None)
        take_place(arguments.task_rank, arguments.num_tasks)
        findings = Findings()
        params, config = in_force(arguments, folder, default_params_fn, check, READ_IN, findings)
        if findings:
            with findings:
                _refuse_missing_features(params, config)
        with findings:
            _require_mode(config)
        findings.settle()
        with _logging(config.logging), failure_told(config.cs_ip):
            dispatch(project, params, config)


def _refuse_missing_features(params: dict[str, Any], config: RunSection) -> None:
    """What a compile refuses, where it does not come to one because the data is not there."""
    from clients.compiling import refuse_missing_features

    if config.validate_only or config.compile_only or config.cs_ip:
        refuse_missing_features(params, config.fabric_mode, config.mode)


def _require_mode(config: RunSection) -> None:
    if config.cs_ip and config.mode in ("train_and_eval", "predict"):
        what = f"mode {config.mode} runs off the system only"
        raise InvalidInput(what, where="--mode", fix="train first, then run again with --mode eval")


def dispatch(project: Project, params: dict[str, Any], config: RunSection) -> None:
    """Do what the params in force ask for. Raises Faults."""
    if not config.validate_only:
        params_files.dump(params, Path(config.model_dir), config.mode)
    estimator = _estimator(project, params, config)
    if config.validate_only or config.compile_only:
        mode = "train" if config.mode in ("train", "train_and_eval") else "eval"
        estimator.compile(_input(project, mode), validate_only=config.validate_only, mode=mode)
        return
    _WORK[config.mode](estimator, project, config)


def _estimator(project: Project, params: dict[str, Any], config: RunSection) -> CerebrasEstimator:
    from clients.tensorflow.estimator import CerebrasEstimator
    from clients.tensorflow.run_config import CSRunConfig

    stack_params = project.stack_params_fn(params) if project.stack_params_fn is not None else None
    names = ("keep_checkpoint_max", "save_checkpoints_steps", "save_checkpoints_secs", "save_summary_steps")
    keys = {name: getattr(config, name) for name in (*names, "log_step_count_steps", "tf_random_seed")}
    if keys["save_checkpoints_secs"] is None:
        del keys["save_checkpoints_secs"]
    own = CSRunConfig(
        cs_ip=config.cs_ip,
        stack_params=stack_params,
        model_dir=config.model_dir,
        device_fn=config.device,
        **keys,
    )
    begin = config.checkpoint_path if config.mode in ("train", "train_and_eval") else None
    return CerebrasEstimator(
        project.model_fn, config=own, params=params, warm_start_from=begin, compile_dir=config.compile_dir
    )


def _input(project: Project, mode: str) -> InputFn:
    """The input of a mode. Raises InvalidInput where run() was given none."""
    if mode == "train":
        return project.train_input_fn
    given = project.eval_input_fn if mode == "eval" else project.predict_input_fn or project.eval_input_fn
    if given is None:
        what = f"mode {mode} needs {mode}_input_fn"
        raise InvalidInput(what, where="run()", fix=f"pass {mode}_input_fn=... in run.py")
    return given


def _train(estimator: CerebrasEstimator, project: Project, config: RunSection) -> None:
    if config.steps is None and config.max_steps is None:
        what = "nothing says how long to train"
        raise InvalidInput(what, where="runconfig", fix="set max_steps or steps")
    last = config.max_steps if config.steps is None else None
    estimator.train(_input(project, "train"), steps=config.steps, max_steps=last)


def _evaluate(estimator: CerebrasEstimator, project: Project, config: RunSection) -> None:
    estimator.evaluate(_input(project, "eval"), steps=config.eval_steps, checkpoint_path=config.checkpoint_path)


def _evaluate_all(estimator: CerebrasEstimator, project: Project, config: RunSection) -> None:
    from clients.tensorflow import plain_checkpoints

    folder = Path(estimator.model_dir)
    for path in plain_checkpoints.every(folder) or [plain_checkpoints.require(folder, None)]:
        estimator.evaluate(_input(project, "eval"), steps=config.eval_steps, checkpoint_path=path)


def _train_and_evaluate(estimator: CerebrasEstimator, project: Project, config: RunSection) -> None:
    from clients.tensorflow.training import EvalSpec, TrainSpec, train_and_evaluate

    if config.steps is not None or config.max_steps is None:
        raise InvalidInput("mode train_and_eval counts max_steps", where="runconfig", fix="set max_steps, not steps")
    training = TrainSpec(_input(project, "train"), max_steps=config.max_steps)
    train_and_evaluate(estimator, training, EvalSpec(_input(project, "eval"), steps=config.eval_steps))


def _predict(estimator: CerebrasEstimator, project: Project, config: RunSection) -> None:
    from clients.tensorflow import predictions

    made = estimator.predict(
        _input(project, "predict"), checkpoint_path=config.checkpoint_path, num_samples=config.predict_samples
    )
    path, count = predictions.write(made, Path(estimator.model_dir) / "predict" / PREDICTIONS)
    log.info("Wrote the predictions of %d samples to %s", count, path)


_WORK: dict[str, Callable[[Any, Project, RunSection], None]] = {
    "train": _train,
    "eval": _evaluate,
    "eval_all": _evaluate_all,
    "train_and_eval": _train_and_evaluate,
    "predict": _predict,
}


def _is_for_users(record: logging.LogRecord) -> bool:
    """Whether a user can act on a line: TensorFlow finds some of its own functions deprecated, and ours."""
    found = _DEPRECATED.match(record.getMessage())
    return found is None or is_users(found["file"])


@contextmanager
def _logging(level: str) -> Iterator[None]:
    """Log lines on standard output, as TensorFlow writes them; afterwards all is as it was."""
    root, own, lines = logging.getLogger(), logging.getLogger("tensorflow"), LogLines()
    lines.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    lines.addFilter(_is_for_users)
    handlers, levels = list(own.handlers), (root.level, own.level)
    own.handlers.clear()  # TensorFlow's own would say everything twice
    root.addHandler(lines)
    root.setLevel(level)
    own.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(lines)
        own.handlers[:] = handlers
        root.setLevel(levels[0])
        own.setLevel(levels[1])
