"""The door to the executors: a program says which framework runs it, and no other one is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.program import Program
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.memory_size import size_text
from wafer_sim.runtime.protocol import Executor, State
from wire.errors import Refused
from wire.staying import staying

if TYPE_CHECKING:
    from wafer_sim.runtime.sizing import Sizes
    from wafer_sim.runtime.streamed_executor import Rooms


_MORE = "give more memory (runconfig.wafer_memory, wafer_sim serve --wafer-memory)"


@dataclass(frozen=True, slots=True)
class Execution:
    """How a program is executed. streaming: where its weights are held in weight streaming; None: pipelined.

    memory: bytes that the wafer has for weights, optimizer state, gradients and the values of a step; 0: no bound.
    """

    streaming: Path | None = None
    memory: int = 0
    replicas: int = 1


def open_executor(  # noqa: PLR0913 - what runs, from where on, and how
    program: AnyProgram,
    state: State,
    optimizer: OptimizerSpec | None = None,
    *,
    threads: int = 1,
    fresh: bool = False,
    execution: Execution | None = None,
) -> Executor:
    """An executor that goes on from a state. fresh: from its weights only, as an optimizer that has not run yet.

    optimizer: of a PyTorch program; a TensorFlow program holds its own. Raises Refused for an operation without a
    kernel and for a program that is larger than the wafer's memory, InvalidInput for a state that does not fit.
    """
    how = execution or Execution()
    if isinstance(program, Dataflow):
        if how.streaming is not None:
            raise no_streaming()
        with staying():
            from wafer_sim.runtime.tensorflow_executor import TensorflowExecutor

        slots = {} if fresh else state.optimizer
        return TensorflowExecutor(program, {**state.weights, **slots}, threads=threads)
    executor = _torch_executor(program, state, optimizer, threads, how)
    if not fresh:
        executor.load(state)
    return executor


def require_room(program: Program, optimizer: OptimizerSpec | None, how: Execution) -> None:
    """Raises Refused where how.memory is too little for a program: by how much, and what would do."""
    if how.memory:
        _rooms(program, optimizer, how)


def no_streaming() -> Refused:
    """What is said of a TensorFlow program for which weight streaming is asked."""
    what = "weight streaming runs PyTorch programs; a TensorFlow program runs layer-pipelined only"
    return Refused(what, where="runconfig.execution_strategy", fix="leave it out, or set it to pipeline")


def _torch_executor(
    program: Program, state: State, optimizer: OptimizerSpec | None, threads: int, how: Execution
) -> Executor:
    rooms = _rooms(program, optimizer, how) if how.memory else None
    if rooms is not None or how.streaming is not None:
        from wafer_sim.runtime.outside import return_freed_memory

        return_freed_memory()
    if how.streaming is None:
        with staying():
            from wafer_sim.runtime.torch_executor import TorchExecutor

        return TorchExecutor(program, state.weights, optimizer, threads=threads, lean=rooms is not None)
    with staying():
        from wafer_sim.runtime.streamed_executor import StreamedExecutor

    where, replicas = how.streaming, how.replicas
    return StreamedExecutor(
        program, state.weights, optimizer, directory=where, threads=threads, replicas=replicas, rooms=rooms
    )


def _rooms(program: Program, optimizer: OptimizerSpec | None, how: Execution) -> Rooms:
    """Raises Refused where the memory is too little."""
    from wafer_sim.runtime.sizing import Sizes

    sizes = Sizes(program, optimizer, how.replicas)
    needed = sizes.pipelined if how.streaming is None else sizes.streamed
    if needed > how.memory:
        raise _too_large(sizes, how)
    return sizes.rooms(how.memory)


def _too_large(sizes: Sizes, how: Execution) -> Refused:
    has = f"the wafer has {size_text(how.memory)}"
    if how.streaming is not None:
        over = size_text(sizes.streamed - how.memory)
        what = f"weight streaming takes {size_text(sizes.streamed)} for the largest layer of this model and its values"
        fix = f"lower the batch size or num_replicas, or {_MORE}"
        return Refused(f"{what}; {has}, {over} too little", where="runconfig.execution_strategy", fix=fix)
    over = size_text(sizes.pipelined - how.memory)
    parts = (
        f"{size_text(sizes.weights)} of weights and {size_text(sizes.optimizer_state)} of optimizer state among them"
    )
    what = f"this model takes {size_text(sizes.pipelined)} layer-pipelined ({parts}); {has}, {over} too little"
    would = sizes.streamed <= how.memory
    fix = (
        f"set runconfig.execution_strategy: weight_streaming, which takes {size_text(sizes.streamed)}"
        if would
        else f"weight streaming takes {size_text(sizes.streamed)}, too much as well: lower the batch size, or {_MORE}"
    )
    return Refused(what, where="runconfig.execution_strategy", fix=fix)
