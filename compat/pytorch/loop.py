"""The user's loop: at which step it is, what it looks at, and what the system says to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

import torch
from torch.utils import _pytree

from clients.pytorch.metrics import let_see
from clients.pytorch.precision import arrived
from compat.pytorch.callee import OfBatch, function_of, is_same
from compat.pytorch.modes import EVAL, TRAIN
from streamer.randomness import undisturbed
from wire.errors import Refused

NAN = float("nan")


@dataclass
class Precision:
    """What GradScaler was told. scaling: keys of the params' `optimizer` section. state: where loss scaling stands."""

    mixed: bool = True
    scaling: dict[str, Any] = field(default_factory=dict)
    max_gradient_norm: float | None = None
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A closure that the model calls in each forward pass: a function, and names of values in place of tensors."""

    function: Callable[..., Any]
    arguments: Any

    def run(self, values: Any) -> None:
        """Call it with the values of a step."""
        filled = _pytree.tree_map(lambda leaf: values[leaf.name] if isinstance(leaf, Name) else leaf, self.arguments)
        args, kwargs = filled
        self.function(*args, **kwargs)


@dataclass(frozen=True)
class Name:
    """Stands for a tensor of the graph."""

    name: str


class Driver(Protocol):
    """What the system says to the loop, step by step. Each call waits until it is known."""

    def loss(self, step: int) -> float: ...

    def values(self, step: int) -> Any:
        """What the closures of the model want to see of a step."""
        ...

    def settle(self, step: int) -> None:
        """The user's module and optimizer hold the state of this step from now on, if it is one that is saved."""
        ...

    def leave(self, step: int) -> None:
        """The loop has done all that it does with a step that is saved."""
        ...


class Loop:
    """One loop over a loader. run_step: batches that it was given so far, which is steps that were made.

    driver: set by a Session when the first batch meets the model; without one the loop only looks (compiling).
    """

    def __init__(self) -> None:
        self.mode = TRAIN
        self.run_step = 0
        self.batch: Any = None
        self.loader: Any = None
        self.function: OfBatch | None = None
        self.module: torch.nn.Module | None = None
        self.optimizer: Any = None
        self.precision = Precision()
        self.total_steps = self.checkpoint_steps = 0
        self.fetch_steps = 1
        self.replicas = 1
        self.capturing = False
        self.closures: list[Seen] = []
        self.start: Callable[[], Driver] | None = None
        self.driver: Driver | None = None
        self._outputs: Any = None

    def steps(self, loader: Any, count: int | None) -> Iterator[Any]:
        """A step for each of `count` batches of an epoch, None without end."""
        self.loader = loader
        if self.batch is None:
            self.batch = _first(loader)
        made = 0
        while count is None or made < count:
            made += 1
            if self.driver is not None and self.is_saved:
                self.driver.leave(self.run_step)
            self.run_step += 1
            yield self.batch

    def forward(self, module: torch.nn.Module, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What the module gives to the loop: the system's loss, or what stands for outputs that a loss is made of."""
        if self.capturing or self.batch is None:
            return original(*args, **kwargs)
        if self.function is None:
            self.function = self._found(sys._getframe(2), module, args, kwargs)
            if self.start is None:
                self.mode = TRAIN if module.training else EVAL
        if self.driver is None and self.start is not None:
            self.driver = self.start()
        if self.driver is None:
            return self._computed(original, args, kwargs)
        self._run_closures()
        if self._outputs is None:
            with torch.no_grad():
                self._outputs = self._computed(original, args, kwargs)
        return _pytree.tree_map(self._given, self._outputs)

    def mark_loss(self, loss: Any) -> Any:
        """A loss that the user's code made of what `forward` gave; it holds the system's value now."""
        if self.driver is not None and not self.capturing and isinstance(loss, torch.Tensor) and loss.numel() == 1:
            loss.data.fill_(self._loss())
        return loss

    def closed(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a step closure now: all that it may look at is there. While the model is captured it is remembered."""
        if self.capturing:
            self.closures.append(Seen(function, _pytree.tree_map(_named, (args, kwargs))))
            return None
        if self.driver is not None:
            self.driver.settle(self.run_step)
        return function(*args, **kwargs)

    @property
    def is_fetched(self) -> bool:
        """Whether the loop may look at the loss of this step."""
        return self.run_step == self.total_steps or (self.fetch_steps > 0 and self.run_step % self.fetch_steps == 0)

    @property
    def is_saved(self) -> bool:
        """Whether the state after this step comes off the system."""
        every = self.checkpoint_steps
        return self.run_step == self.total_steps or (every > 0 and self.run_step % every == 0)

    def _loss(self) -> float:
        return self.driver.loss(self.run_step) if self.driver is not None and self.is_fetched else NAN

    def _given(self, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
            return leaf
        given = leaf.clone() if leaf.numel() > 1 else torch.full_like(leaf, self._loss())
        return given.requires_grad_(torch.is_grad_enabled())

    def _computed(self, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The module's outputs once, on the host: their shapes matter. Data is cast as it is on arrival."""
        self.capturing, kept = True, list(self.closures)
        args, kwargs = _pytree.tree_map(lambda x: arrived(x) if isinstance(x, torch.Tensor) else x, (args, kwargs))
        try:
            with undisturbed():
                return original(*args, **kwargs)
        finally:
            self.capturing, self.closures = False, kept

    def _run_closures(self) -> None:
        """Those of the model itself, with what the system computed: in evaluation only."""
        if self.mode == TRAIN or self.driver is None or not self.closures:
            return
        values = self.driver.values(self.run_step)
        for closure in self.closures:
            closure.run(values)

    def _found(self, frame: FrameType | None, module: torch.nn.Module, args: Any, kwargs: Any) -> OfBatch:
        found = function_of(self.batch, frame)
        if found is not None:
            return found
        for given, call in (
            (args, lambda batch: module(*batch)),
            (list(args), lambda batch: module(*batch)),
            (kwargs, lambda batch: module(**batch)),
        ):
            if is_same(given, self.batch) and given:
                return call
        what = "no function is called with the batch as the loader gives it"
        fix = "hand the loader's batch whole to a function that gives the loss, such as model(data)"
        raise Refused(what, where="the training loop", fix=fix)


def _named(leaf: Any) -> Any:
    """A value of the graph, under the name by which it is seen; anything else as it is."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    name = let_see(leaf)
    return leaf if name is None else Name(name)


def _first(loader: Any) -> Any:
    from clients.pytorch.compiling import first_batch

    return first_batch(loader)


CURRENT = Loop()
"""The loop of this process: code of that time had one."""
