"""Checkpoints of the plain loop: the wafer's format, so that a run can go on there, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from clients.job import Job
from clients.pytorch.capture import initial_weights
from clients.pytorch.model import PyTorchBaseModel
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.ledger import StreamPosition
from wafer_sim.runtime.optimizers import Optimizer
from wafer_sim.runtime.protocol import State
from wire.errors import InvalidInput, NotFound


def save(model: PyTorchBaseModel, job: Job, step: int, position: StreamPosition) -> Path:
    """Write the state after `step` updates. position: of the only stream. Raises Exhausted when the disk is full."""
    optimizer = _require_optimizer(model)
    with _on_cpu(optimizer):
        state = State(initial_weights(model), optimizer.state(), optimizer.scalars())
    checkpoint = Checkpoint(step=step, state=state, streams=[position], seed=job.config.seed)
    return checkpoints.write(job.model_dir, checkpoint, keep=job.config.keep_checkpoint_max)


def restore(model: PyTorchBaseModel, job: Job) -> Checkpoint | None:
    """Load runconfig.checkpoint_path, or the newest checkpoint of the model_dir; None where there is none.

    Of a pretrained checkpoint only the weights are taken. Raises NotFound and InvalidInput, naming the tensor or the
    file that does not fit.
    """
    given = job.config.checkpoint_path
    path = Path(given) if given else checkpoints.latest(job.model_dir)
    if path is None:
        return None
    checkpoint = checkpoints.read(path)
    _load_weights(model, checkpoint.state.weights, str(path))
    if job.config.is_pretrained_checkpoint:
        return None
    if model.optimizer is not None and checkpoint.state.scalars:
        _load_optimizer(model.optimizer, checkpoint)
    return checkpoint


def require(checkpoint: Checkpoint | None, job: Job) -> None:
    """Raises NotFound where an evaluation found no checkpoint."""
    if checkpoint is None and not job.config.is_pretrained_checkpoint:
        fix = "train first, or give --checkpoint_path"
        raise NotFound("there is no checkpoint to evaluate", where=str(job.model_dir), fix=fix)


def _require_optimizer(model: PyTorchBaseModel) -> Optimizer:
    if model.optimizer is None:
        raise InvalidInput("the model was built for evaluation and has no optimizer", fix="use --mode train")
    return model.optimizer


def _load_weights(model: PyTorchBaseModel, weights: Mapping[str, Any], where: str) -> None:
    named = {**dict(model.model.named_parameters()), **dict(model.model.named_buffers())}
    if odd := sorted(weights.keys() ^ named.keys()):
        side = "the model has no" if odd[0] in weights else "the checkpoint has no"
        fix = "load weights of the same model, or start in a new model_dir"
        raise InvalidInput(f"{side} parameter {odd[0]!r}", where=where, fix=fix)
    with torch.no_grad():
        for name, array in weights.items():
            if tuple(array.shape) != tuple(named[name].shape):
                what = f"{name!r} has shape {tuple(named[name].shape)}, in the checkpoint {tuple(array.shape)}"
                raise InvalidInput(what, where=where, fix="keep the model's sizes, or start in a new model_dir")
            named[name].copy_(torch.from_numpy(array.copy()))


def _load_optimizer(optimizer: Optimizer, checkpoint: Checkpoint) -> None:
    with _on_cpu(optimizer):
        optimizer.load(checkpoint.state.optimizer, checkpoint.state.scalars)


@contextmanager
def _on_cpu(optimizer: Optimizer) -> Iterator[None]:
    """Within it the optimizer's state is on the CPU, as the checkpoint format wants it."""
    _move_state(optimizer, to_cpu=True)
    try:
        yield
    finally:
        _move_state(optimizer, to_cpu=False)


def _move_state(optimizer: Optimizer, to_cpu: bool) -> None:
    for parameter, state in optimizer.inner.state.items():
        device = torch.device("cpu") if to_cpu else parameter.device
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                state[name] = value.to(device)
