"""Replicas: several copies of the model at work on one copy of the weights, one thread each."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from wafer_sim.runtime.protocol import Array, Executor, Gradients
from wire.cores import Cores
from wire.errors import Fault

Batch = Sequence[npt.NDArray[np.generic]]


def threads_of(replicas: int) -> int:
    """How many threads each replica computes on: the cores that are not left to the input, divided among them."""
    return max(1, len(Cores.here().compute) // replicas)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step did.

    loss: the mean over replicas; losses: of each. applied: False when a loss was NaN or infinite; the weights are then
    as before the step. busy: seconds each replica computed; apply: seconds of reducing and of the optimizer.
    observed: what the program lets be seen of it: the replicas' mean of a floating-point number, of anything else what
    replica 0 has; empty where nobody asked.
    """

    step: int
    loss: float
    losses: tuple[float, ...]
    applied: bool
    busy: tuple[float, ...]
    apply: float
    observed: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Outcome:
    replica: int
    result: Gradients | BaseException
    seconds: float


class Replicas:
    """`count` replicas of an executor. The caller's own thread is replica 0; the others have one each until `close`."""

    def __init__(self, executor: Executor, count: int, seed: int = 0) -> None:
        if count < 1:
            raise ValueError(f"a run has at least one replica, not {count}")
        self._executor = executor
        self._seed = seed
        self._done: SimpleQueue[_Outcome] = SimpleQueue()
        self._work: list[SimpleQueue[tuple[Batch, int] | None]] = [SimpleQueue() for _ in range(count - 1)]
        self._threads = [
            threading.Thread(target=self._serve, args=(i + 1, work), name=f"replica {i + 1}", daemon=True)
            for i, work in enumerate(self._work)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def count(self) -> int:
        return len(self._work) + 1

    def step(self, batches: Sequence[Batch], step: int, *, observe: bool = False) -> StepResult:
        """One weight update from one batch per replica. step: updates made before. observe: see StepResult.observed.

        The same batches, seed and step give the same bits. Raises the first failing replica's error, naming the
        replica, after all have finished; the weights are then untouched.
        """
        if len(batches) != self.count:
            raise ValueError(f"{self.count} replicas take {self.count} batches, not {len(batches)}")
        for work, batch in zip(self._work, batches[1:], strict=True):
            work.put((batch, step))
        outcomes = [self._compute(0, batches[0], step), *(self._done.get() for _ in self._work)]
        outcomes.sort(key=lambda outcome: outcome.replica)
        return self._commit([_gradients(outcome) for outcome in outcomes], outcomes, step, batches if observe else [])

    def close(self) -> None:
        """End the threads and wait for them. May be called again."""
        for work in self._work:
            work.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Replicas:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _commit(
        self, parts: list[Gradients], outcomes: list[_Outcome], step: int, observed: Sequence[Batch]
    ) -> StepResult:
        losses = tuple(part.loss for part in parts)
        start = time.perf_counter()
        applied = all(map(math.isfinite, losses))
        seen: Mapping[str, Array] = {}
        if applied:
            reduced = _mean([part.tensors for part in parts])
            seen = self._observed(observed, reduced, step)
            self._executor.apply(reduced, step)
        spent = time.perf_counter() - start
        busy = tuple(outcome.seconds for outcome in outcomes)
        return StepResult(step, sum(losses) / len(losses), losses, applied, busy, spent, seen)

    def _observed(self, batches: Sequence[Batch], reduced: Sequence[Any], step: int) -> dict[str, Array]:
        parts = [
            self._executor.observe(batch, reduced, seed=self._seed, step=step, replica=replica)
            for replica, batch in enumerate(batches)
        ]
        return {name: _over_replicas([part[name] for part in parts]) for name in (parts[0] if parts else ())}

    def _serve(self, replica: int, work: SimpleQueue[tuple[Batch, int] | None]) -> None:
        while (task := work.get()) is not None:
            self._done.put(self._compute(replica, *task))

    def _compute(self, replica: int, batch: Batch, step: int) -> _Outcome:
        start = time.perf_counter()
        result: Gradients | BaseException
        try:
            result = self._executor.gradients(batch, seed=self._seed, step=step, replica=replica)
        except BaseException as raised:  # noqa: BLE001 - it is raised again, by `step`, in the caller's thread
            result = raised
        return _Outcome(replica, result, time.perf_counter() - start)


def _gradients(outcome: _Outcome) -> Gradients:
    if isinstance(outcome.result, BaseException):
        raise _named(outcome.result, outcome.replica)
    return outcome.result


def _named(error: BaseException, replica: int) -> BaseException:
    if isinstance(error, Fault):
        where = f"replica {replica}" + (f", {error.where}" if error.where else "")
        named = type(error)(error.what, where=where, fix=error.fix)
        named.__cause__ = error
        return named
    error.add_note(f"in replica {replica}")
    return error


def _over_replicas(values: list[Array]) -> Array:
    mean = len(values) > 1 and values[0].ndim == 0 and values[0].dtype.kind == "f"
    return np.asarray(_mean_of(values), values[0].dtype) if mean else values[0]


def _mean(parts: list[Sequence[Any]]) -> Sequence[Any]:
    """The mean of each tensor over the replicas, added up in the order of their numbers."""
    return parts[0] if len(parts) == 1 else _Means(parts)


class _Means(Sequence[Any]):
    """Each mean is made when it is looked at, so that whoever uses one at a time has no more in memory."""

    def __init__(self, parts: list[Sequence[Any]]) -> None:
        self._tensors = list(zip(*parts, strict=True))

    def __len__(self) -> int:
        return len(self._tensors)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [_mean_of(tensors) for tensors in self._tensors[index]]
        return _mean_of(self._tensors[index])


def _mean_of(tensors: Sequence[Any]) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):  # loss scaling looks for what overflows, and expects it
        total = tensors[0] + tensors[1]
        for tensor in tensors[2:]:
            total += tensor
        return total / len(tensors)
