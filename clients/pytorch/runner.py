"""run(): what a model's run.py calls. Parse, check, build, dispatch."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clients import compiling
from clients import params as params_files
from clients.arguments import Arguments, ExtraParsers, parse
from clients.ending import one_screen
from clients.in_force import DefaultParams, in_force
from clients.job import EVAL, TRAIN, DataFunction, Job
from clients.progress import LogLines
from clients.pytorch import cpu_loop
from clients.pytorch.compiling import captured_job
from clients.pytorch.flags import PYTORCH
from clients.pytorch.model import PyTorchBaseModel
from clients.sections import RunConfig, check
from clients.sources import model_errors
from clients.working import failure_told, take_place, work_unless_chief
from streamer.advice.review import Watched, watching
from streamer.pipeline import loader_input
from wire.errors import InvalidInput
from wire.findings import Findings

ModelFunction = Callable[..., PyTorchBaseModel]
READ_IN = {"train_input": (TRAIN, "train_and_eval"), "eval_input": (EVAL, "train_and_eval")}

log = logging.getLogger("clients")


def run(
    model_fn: ModelFunction,
    train_data_fn: DataFunction | None = None,
    eval_data_fn: DataFunction | None = None,
    default_params_fn: DefaultParams | None = None,
    extra_args_parser_fn: ExtraParsers | None = None,
) -> None:
    """Run the workflow that the command line asks for: validate, compile, train or evaluate, on the wafer or off it.

    model_fn: params, device -> PyTorchBaseModel. train_data_fn, eval_data_fn: params -> a data loader.
    default_params_fn: fills in params, in place or as its result. extra_args_parser_fn: parsers with flags of the
    model's own, made with add_help=False. Ends the process with 1 after an error, which is one screen on stderr, and
    with 130 after Ctrl-C.
    """
    caller = Path(inspect.stack()[1].filename).resolve().parent
    functions = _Functions(model_fn, train_data_fn, eval_data_fn, default_params_fn)
    with one_screen():
        _run(sys.argv[1:], caller, functions, extra_args_parser_fn)


@dataclass(frozen=True, slots=True)
class _Functions:
    model: ModelFunction
    train_data: DataFunction | None
    eval_data: DataFunction | None
    default_params: DefaultParams | None


def _run(words: list[str], folder: Path, functions: _Functions, extra: ExtraParsers | None) -> None:
    arguments = parse(words, PYTORCH, extra)
    take_place(arguments.task_rank, arguments.num_tasks)
    findings = Findings()
    params, config = in_force(arguments, folder, functions.default_params, check, READ_IN, findings)
    _set_up_logging(config)
    with failure_told(config.cs_ip):
        _carry_out(params, config, arguments, functions, findings)


def _carry_out(
    params: dict[str, Any], config: RunConfig, arguments: Arguments, functions: _Functions, findings: Findings
) -> None:
    loaders = []
    if config.mode == "train_and_eval" and config.cs_ip:
        what = "mode train_and_eval runs off the system only"
        raise InvalidInput(what, where="--mode", fix="train first, then run again with --mode eval")
    if not config.validate_only:
        params_files.dump(params, Path(config.model_dir), config.mode)
    modes = (TRAIN, EVAL) if config.mode == "train_and_eval" else (config.mode,)
    jobs = [_job(params, config, arguments, mode, functions) for mode in modes]
    data_is_there = not findings
    with findings:
        if config.validate_only or config.compile_only or config.cs_ip:
            compiling.refuse_missing_features(params, config.fabric_mode, modes[0])
    with findings:
        model, device = _model(functions.model, jobs[0])
    for job in jobs if data_is_there else ():
        with findings:
            loaders.append(_loader(job))
    findings.settle()
    for job, (loader, watched) in zip(jobs, loaders, strict=True):
        _dispatch(model, loader, watched, job, device)


def _job(params: dict[str, Any], config: RunConfig, arguments: Arguments, mode: str, functions: _Functions) -> Job:
    if mode == EVAL and config.multireplica:
        log.warning("multireplica is for training only; %s runs one replica", mode)
    return Job(
        params=params,
        config=config,
        params_path=arguments.params.absolute(),
        model_dir=Path(config.model_dir),
        mode=mode,
        cs_ip=config.cs_ip,
        train_data_fn=functions.train_data,
        eval_data_fn=functions.eval_data,
    )


def _model(model_fn: ModelFunction, job: Job) -> tuple[PyTorchBaseModel, torch.device]:
    plain = not (job.cs_ip or job.config.validate_only or job.config.compile_only)
    if plain and job.config.fabric_mode != "compute":
        what = f"fabric_mode {job.config.fabric_mode} is a mode of the wafer"
        raise InvalidInput(what, where="runconfig.fabric_mode", fix="give --cs_ip, or leave it out")
    device = cpu_loop.choose_device(job.config.cpu) if plain else torch.device("cpu")
    torch.manual_seed(job.config.seed)
    with model_errors("building the model"):
        takes_device = len(inspect.signature(model_fn).parameters) > 1
        model = model_fn(job.params, device) if takes_device else model_fn(job.params)
        model.model.to(device)
    return model, device


def _loader(job: Job) -> tuple[Iterable[Any], Watched]:
    with watching() as watched, model_errors("building the data loader"):
        loader: Iterable[Any] = job.data_fn(job.params)
    return loader, watched


def _dispatch(model: PyTorchBaseModel, loader: Iterable[Any], watched: Watched, job: Job, device: torch.device) -> None:
    if job.cs_ip and not (job.config.validate_only or job.config.compile_only):
        opened = None if hasattr(loader, "recipe") else lambda _: loader_input(loader)
        job = replace(job, succeeds=work_unless_chief(job.cs_ip, str(job.model_dir), opened))
    train = job.mode == TRAIN
    capture = partial(captured_job, model, loader, watched, job)
    if job.config.validate_only or job.config.compile_only:
        (compiling.validate if job.config.validate_only else compiling.compile_job)(capture, job)
    elif job.cs_ip:
        from clients import wafer_loop

        (wafer_loop.train if train else wafer_loop.evaluate)(capture, job)
    else:
        (cpu_loop.train if train else cpu_loop.evaluate)(model, loader, job, device)


def _set_up_logging(config: RunConfig) -> None:
    lines = LogLines()
    clock = "%H:%M:%S" if sys.stdout.isatty() else None
    lines.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s", clock))
    logging.basicConfig(level=config.logging, handlers=[lines])
