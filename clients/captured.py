"""What capturing gives, of whatever framework: a job's model over its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clients.input import LoaderInput
from streamer.advice import Review
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.runtime.protocol import State
from wire.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class Captured:
    """A job's model over its input, of whatever framework.

    plan: how the input is cut into streams and batches. begin: the step and the state of a run that has no checkpoint.
    review: looks at the input and says what would make it quicker; None of a loader that nothing can be said of. It
    may measure for about 2 s. optimizer: JSON of its spec; "" in evaluation, and where the program holds it.
    summary_steps: every how many steps what the program lets be seen is wanted; 0: never. beside: file name -> content,
    what is left beside the program. open_replicas: whether the compiler chooses their number.
    """

    source: LoaderInput
    plan: run_pb2.DataPlan
    program: AnyProgram
    begin: Callable[[], tuple[int, State]]
    review: Callable[[], Review | None]
    optimizer: str = ""
    summary_steps: int = 0
    beside: Mapping[str, bytes] = field(default_factory=dict)
    open_replicas: bool = False


Capture = Callable[[int | None], Captured]
"""Looks at data and model, for so many replicas where the compiler chooses their number; None: as many as the run may
simulate. Raises InvalidInput, NotFound or Refused."""
