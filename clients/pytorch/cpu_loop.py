"""Plain PyTorch: training and evaluation without the wafer, on the CPU, or on a GPU where there is one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree

from clients.job import Job
from clients.pytorch import plain_checkpoints
from clients.pytorch.feed import feed, loader_errors, steps_in_epoch
from clients.pytorch.loss import scalar_loss
from clients.pytorch.metrics import recording
from clients.pytorch.model import PyTorchBaseModel
from clients.pytorch.precision import arrived, mixed_precision
from clients.sources import model_errors
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.ledger import StreamPosition
from wafer_sim.meter import Meter
from wire.cursor import Cursor
from wire.errors import InvalidInput

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

log = logging.getLogger("clients")


def choose_device(cpu: bool) -> torch.device:
    """The GPU where there is one, unless `cpu` asks for the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")


def train(model: PyTorchBaseModel, loader: Iterable[Any], job: Job, device: torch.device) -> int:
    """Train to the last step that runconfig asks for, on from the newest checkpoint; gives that step.

    Logs a line every log_steps and writes checkpoints every checkpoint_steps and at the end. Raises InvalidInput for
    a loss that is no number (the weights of the last good checkpoint stay) or a batch that the model refuses.
    """
    training = _Training(model, loader, job, device, plain_checkpoints.restore(model, job))
    with ExitStack() as stack:
        if job.config.save_losses:
            from tensorboardX import SummaryWriter

            training.events = stack.enter_context(SummaryWriter(str(job.model_dir / job.mode), flush_secs=10))
        step = training.run()
    scale = model.optimizer.loss_scale if model.optimizer is not None else None
    if scale is not None and scale.skipped:
        log.info("%d steps were skipped by loss scaling; the loss scale is %g", scale.skipped, scale.scale)
    log.info("Training Completed Successfully!")
    return step


class _Training:
    """One training run: where it is, and how fast it goes."""

    def __init__(
        self, model: PyTorchBaseModel, loader: Iterable[Any], job: Job, device: torch.device, begin: Checkpoint | None
    ) -> None:
        self._model, self._loader, self._job, self._device = model, loader, job, device
        self._step = begin.step if begin else 0
        self._saved = begin.step if begin else None
        self._samples = sum(position.samples for position in begin.streams) if begin else 0
        self._epoch = steps_in_epoch(loader)
        self._meter = Meter(time.perf_counter())
        self._loss = torch.tensor(math.nan)
        self.events: SummaryWriter | None = None

    def run(self) -> int:
        config = self._job.config
        last = config.last_step(self._step, self._epoch)
        self._model.train()
        if self._saved is None:
            self._save()
        else:
            log.info("Continuing from global step: %d", self._step)
        for batch in islice(feed(self._loader, self._step, config.seed), last - self._step):
            self._take(batch)
            if config.checkpoint_steps and self._step % config.checkpoint_steps == 0:
                self._save()
        self._save()
        return self._step

    def _take(self, batch: Any) -> None:
        config = self._job.config
        optimizer = self._model.optimizer
        if optimizer is None:
            raise InvalidInput("the model was built for evaluation and has no optimizer", fix="use --mode train")
        batch, rows = _arrived(batch, self._device)
        optimizer.zero_grad()
        with model_errors("training"), _precision(self._model, self._device), recording():
            loss = scalar_loss(self._model(batch))
        scale = optimizer.loss_scale
        (loss if scale is None else loss * scale.scale).backward()  # type: ignore[no-untyped-call]
        self._loss = loss.detach()
        logged = (self._step + 1) % config.log_steps == 0
        if config.check_loss_values and (logged or self._device.type == "cpu" or self._saves_next()):
            self._require_finite()
        optimizer.step(self._step)
        self._step, self._samples = self._step + 1, self._samples + rows
        self._meter.step(time.perf_counter(), rows, 0.0)
        if logged:
            self._log()

    def _saves_next(self) -> bool:
        every = self._job.config.checkpoint_steps
        return bool(every) and (self._step + 1) % every == 0

    def _require_finite(self) -> None:
        loss = float(self._loss)
        if not math.isfinite(loss):
            kept = f"the last good checkpoint in {self._job.model_dir} is of step {self._saved}"
            raise InvalidInput(
                f"the loss of step {self._step + 1} is {loss}; the weights were not changed by it",
                where=f"step {self._step + 1}",
                fix=f"lower the learning rate or look at the data; {kept}",
            )

    def _log(self) -> None:
        self._meter.lap()
        reading, loss = self._meter.reading(), float(self._loss)
        line = "| Train Device=%s, Step=%d, Loss=%.5f, Rate=%.2f samples/sec, GlobalRate=%.2f samples/sec"
        log.info(line, self._device.type, self._step, loss, reading.recent_rate, reading.rate)
        if self.events is not None:
            self.events.add_scalar("loss", loss, self._step)
            self.events.add_scalar("samples_per_sec", reading.recent_rate, self._step)

    def _save(self) -> None:
        if self._saved == self._step:
            return
        begun = time.perf_counter()
        epoch, sequence = divmod(self._step, self._epoch) if self._epoch else (0, self._step)
        position = StreamPosition(Cursor(0, epoch, sequence), self._samples, self._step)
        plain_checkpoints.save(self._model, self._job, self._step, position)
        self._saved = self._step
        self._meter.pause(time.perf_counter() - begun)
        log.info("Saved checkpoint at global step: %d", self._step)


def evaluate(model: PyTorchBaseModel, loader: Iterable[Any], job: Job, device: torch.device) -> Mapping[str, float]:
    """Evaluate a checkpoint over the whole set, or over eval_steps batches: "loss", weighted by samples, and metrics.

    Raises NotFound where there is no checkpoint and InvalidInput for an empty set or a batch that the model refuses.
    """
    plain_checkpoints.require(plain_checkpoints.restore(model, job), job)
    return evaluate_now(model, loader, job, device)


def evaluate_now(model: PyTorchBaseModel, loader: Iterable[Any], job: Job, device: torch.device) -> Mapping[str, float]:
    """As `evaluate`, with the weights that the model has."""
    model.eval()
    sums: dict[str, float] = {}
    begun = time.perf_counter()
    with torch.inference_mode(), loader_errors():
        for batch in islice(loader, job.config.eval_steps):
            for name, value in _evaluated(model, batch, device).items():
                sums[name] = sums.get(name, 0.0) + value
    if not sums.get("rows"):
        raise InvalidInput("the evaluation set has no batch", fix="lower batch_size, or set drop_last_batch: False")
    rate = sums["rows"] / (time.perf_counter() - begun)
    result = {"loss": sums["loss"] / sums["rows"], **_metrics(sums)}
    log.info("| Eval Device=%s, Samples=%d, Rate=%.2f samples/sec", device.type, sums["rows"], rate)
    log.info("Avg Eval. Loss = %.5f", result["loss"])
    for name, value in _metrics(sums).items():
        log.info("%s = %.5f", name, value)
    return result


def _evaluated(model: PyTorchBaseModel, batch: Any, device: torch.device) -> dict[str, float]:
    batch, rows = _arrived(batch, device)
    with model_errors("evaluating"), _precision(model, device), recording() as recorded:
        loss = scalar_loss(model(batch))
    metrics = {f"{name}/s": float(total) for name, (total, _) in recorded.values.items()}
    counts = {f"{name}/c": float(count) for name, (_, count) in recorded.values.items()}
    return {**metrics, **counts, "loss": float(loss) * rows, "rows": rows}


def _precision(model: PyTorchBaseModel, device: torch.device) -> AbstractContextManager[None]:
    return mixed_precision(model.precision.off_the_wafer(device.type), device.type)


def _metrics(sums: Mapping[str, float]) -> dict[str, float]:
    names = [key.removesuffix("/s") for key in sums if key.endswith("/s")]
    return {name: sums[f"{name}/s"] / sums[f"{name}/c"] if sums[f"{name}/c"] else math.nan for name in names}


def _arrived(batch: Any, device: torch.device) -> tuple[Any, int]:
    """A batch as the model takes it, on its device and cast as the wafer casts it, and its samples."""
    tensors = [leaf for leaf in _pytree.tree_leaves(batch) if isinstance(leaf, torch.Tensor) and leaf.dim()]
    moved = _pytree.tree_map_only(torch.Tensor, lambda tensor: arrived(tensor.to(device)), batch)
    return moved, len(tensors[0]) if tensors else 0
