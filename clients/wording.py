"""How a run speaks: the log lines of its framework, in the form that CSoft's had."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from wire.v1 import run_pb2

if TYPE_CHECKING:
    from clients.report import Outcome


class Wording(Protocol):
    """What is said of a run."""

    logger: str

    def progress(self, mode: str, progress: run_pb2.Progress, batch_size: int) -> str:
        """A step that is logged. batch_size: samples of a whole step."""
        ...

    def saved(self, step: int, path: str) -> str: ...

    def trained(self, outcome: Outcome) -> Iterator[str]:
        """The last words of a training run."""
        ...

    def evaluated(self, outcome: Outcome, step: int) -> Iterator[str]:
        """The last words of an evaluation of the checkpoint of a step."""
        ...


class PyTorchWording:
    """As CSoft's PyTorch runs spoke."""

    logger = "clients"
    _device = "wafer:0"

    def progress(self, mode: str, progress: run_pb2.Progress, batch_size: int) -> str:
        loss = f"Loss={progress.loss:.5f}, " if math.isfinite(progress.loss) else ""
        return (
            f"| {mode.capitalize()} Device={self._device}, Step={progress.step}, {loss}"
            f"Rate={progress.recent_samples_per_second:.2f} samples/sec, "
            f"GlobalRate={progress.samples_per_second:.2f} samples/sec"
        )

    def saved(self, step: int, path: str) -> str:
        return f"Saved checkpoint at global step: {step}"

    def trained(self, outcome: Outcome) -> Iterator[str]:
        yield "Training Completed Successfully!"

    def evaluated(self, outcome: Outcome, step: int) -> Iterator[str]:
        yield f"Avg Eval. Loss = {outcome.loss:.5f}"
        yield from (f"{name} = {value:.5f}" for name, value in outcome.metrics.items())


PYTORCH: Wording = PyTorchWording()
