"""The door to the executors: a program says which framework runs it, and no other one is imported."""

from __future__ import annotations

from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.reading import AnyProgram
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.protocol import Executor, State


def open_executor(
    program: AnyProgram, state: State, optimizer: OptimizerSpec | None = None, *, threads: int = 1, fresh: bool = False
) -> Executor:
    """An executor that goes on from a state. fresh: from its weights only, as an optimizer that has not run yet.

    optimizer: of a PyTorch program; a TensorFlow program holds its own. Raises Refused for an operation without a
    kernel, InvalidInput for a state that does not fit.
    """
    if isinstance(program, Dataflow):
        from wafer_sim.runtime.tensorflow_executor import TensorflowExecutor

        slots = {} if fresh else state.optimizer
        return TensorflowExecutor(program, {**state.weights, **slots}, threads=threads)
    from wafer_sim.runtime.torch_executor import TorchExecutor

    executor = TorchExecutor(program, state.weights, optimizer, threads=threads)
    if not fresh:
        executor.load(state)
    return executor
