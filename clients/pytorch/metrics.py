"""Metrics that a model's forward calls. Each is a sum over a count, so parts can be added up in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch

from wire.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the metrics of one forward pass gave: name -> (sum, count), two float32 scalars each.

    seen: tensors of any shape that the host wants to see of each batch, as they are.
    """

    values: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    seen: dict[str, torch.Tensor] = field(default_factory=dict)


_recorder: ContextVar[Recorded | None] = ContextVar("_recorder", default=None)


@contextmanager
def recording() -> Iterator[Recorded]:
    """Within it, metrics hand their sums to the caller and keep nothing themselves."""
    recorded = Recorded()
    token = _recorder.set(recorded)
    try:
        yield recorded
    finally:
        _recorder.reset(token)


def let_see(tensor: torch.Tensor) -> str | None:
    """Hand a tensor to whoever records, under the name that this gives; None where nobody does."""
    recorded = _recorder.get()
    if recorded is None:
        return None
    name = str(len(recorded.seen))
    recorded.seen[name] = tensor.detach()
    return name


class Metric:
    """A named sum over a count."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sum: torch.Tensor | float = 0.0
        self._count: torch.Tensor | float = 0.0

    def observe(self, total: torch.Tensor, count: torch.Tensor) -> None:
        """Add two scalars: to the recorder where one listens, else to this metric."""
        recorded = _recorder.get()
        if recorded is None:
            self._sum, self._count = self._sum + total.detach(), self._count + count.detach()
        elif self.name in recorded.values:
            what = f"two metrics are called {self.name!r}, or one is called twice in a forward pass"
            raise InvalidInput(what, where="forward()", fix="give each metric its own name")
        else:
            recorded.values[self.name] = (total.detach().float(), count.detach().float())

    def compute(self) -> float:
        """The metric over all that was observed; nan before anything was."""
        return float(self._sum) / float(self._count) if float(self._count) else float("nan")

    def reset(self) -> None:
        self._sum = self._count = 0.0


class AccuracyMetric(Metric):
    """The share of labels that were predicted, weighted where weights are given."""

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name)

    def __call__(self, labels: torch.Tensor, predictions: torch.Tensor, weights: torch.Tensor | None = None) -> None:
        """Observe one batch. labels, predictions, weights: tensors of one shape."""
        right = (labels.detach() == predictions.detach()).float()
        weight = torch.ones_like(right) if weights is None else weights.detach().float()
        self.observe((right * weight).sum(), weight.sum())
