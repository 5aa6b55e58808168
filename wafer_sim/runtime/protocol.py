"""What the wafer asks of whatever computes: one small protocol, the same for every framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from wafer_sim.compiler.reading import AnyProgram
    from wafer_sim.runtime.loss_scaling import LossScale

Array = npt.NDArray[Any]
Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Gradients:
    """What one replica made of one batch.

    loss: the mean over the batch's rows. tensors: the gradients of the trained parameters in the program's order, then
    the new values of the buffers that the graph updates. They belong to the framework; all that is asked of them is
    `a + b`, `a += b` and `a / n`, which is how replicas are reduced.
    """

    loss: float
    tensors: Sequence[Any]


@dataclass(frozen=True, slots=True)
class State:
    """All that training changes, as copies that later steps leave alone, or `Looked` at where memory is short.

    weights: parameter or buffer -> array of its shape. optimizer: "<parameter>/<what>" -> array. scalars: JSON-able.
    bfloat16, which numpy has not, is held as float32; that is exact both ways.
    """

    weights: Mapping[str, Array]
    optimizer: Mapping[str, Array] = field(default_factory=dict)
    scalars: Mapping[str, Scalar] = field(default_factory=dict)


class Looked(Mapping[str, Array]):
    """Arrays of a state that are copied when somebody looks at them: look before the next step."""

    def __init__(self, copies: Mapping[str, Callable[[], Array]]) -> None:
        self._copies = copies

    def __getitem__(self, name: str) -> Array:
        return self._copies[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._copies)

    def __len__(self) -> int:
        return len(self._copies)


class Executor(Protocol):
    """A model that is ready to run. `gradients` and `evaluate` may be called from several threads at once."""

    @property
    def program(self) -> AnyProgram: ...

    def gradients(self, batch: Sequence[npt.NDArray[np.generic]], *, seed: int, step: int, replica: int) -> Gradients:
        """Loss and gradients of one replica's batch: one array (rows, *shape) per input of the program.

        A function of the weights and of (seed, step, replica) only. Raises InvalidInput.
        """
        ...

    def apply(self, reduced: Sequence[Any], step: int) -> None:
        """Change the weights once, by the mean of the replicas' tensors. `step` counts the steps made before.

        A step that loss scaling skips changes nothing but `loss_scale`.
        """
        ...

    @property
    def loss_scale(self) -> LossScale | None:
        """Where loss scaling stands; None where there is none, and of a program that holds it itself."""
        ...

    def observe(
        self, batch: Sequence[npt.NDArray[np.generic]], reduced: Sequence[Any], *, seed: int, step: int, replica: int
    ) -> Mapping[str, Array]:
        """What the program lets be seen of a step before its update; empty where it has no such thing.

        A function of the weights, the batch, the mean of the replicas' tensors and (seed, step, replica) only.
        """
        ...

    def evaluate(self, batch: Sequence[npt.NDArray[np.generic]]) -> dict[str, float]:
        """Sums over a batch, ready to be added up: "rows", "loss" (times rows), "metric/<name>/sum" and "/count"."""
        ...

    def look(self, batch: Sequence[npt.NDArray[np.generic]]) -> tuple[dict[str, float], Mapping[str, Array]]:
        """As `evaluate`, with what the program lets be seen of the batch; empty where it has no such thing."""
        ...

    def metrics(self) -> dict[str, float]:
        """What the model's own metrics counted over all batches; empty where `evaluate` gives their sums."""
        ...

    def state(self) -> State: ...

    def load(self, state: State) -> None:
        """Continue from a state. Raises InvalidInput, naming the tensor that does not fit."""
        ...
