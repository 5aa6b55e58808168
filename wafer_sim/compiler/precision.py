"""In which precision a program computes, and what of the wafer's arithmetic is emulated: in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.program import Argument, Constant, Graph, Program
from wafer_sim.compiler.reading import AnyProgram

NARROW = ("float16", "bfloat16")


def dtypes_of(graph: Graph) -> frozenset[str]:
    """The dtypes that the calls of a graph name."""
    arguments = (a for node in graph.nodes for a in (*node.args, *node.kwargs.values()))
    return frozenset(name for argument in arguments for name in _dtypes(argument))


def narrow_of(program: Program) -> str:
    """The dtype of a program's activations where precision is mixed, "float16" or "bfloat16"; "" where it is not."""
    found = {name for graph in program.graphs.values() for name in dtypes_of(graph)}
    return next((name for name in NARROW if name in found), "")


def describe(program: AnyProgram) -> str:
    """What a compile says of precision: what is computed in what, and what is emulated."""
    if isinstance(program, Dataflow):
        return "as the TensorFlow graph says, computed by TensorFlow; nothing is emulated"
    match narrow_of(program):
        case "bfloat16":
            return (
                "mixed; activations bfloat16, weights, soft-maxes, norms and losses float32. bfloat16 is the "
                "processor's own, so nothing is emulated"
            )
        case "float16" if program.emulate_float16:
            return (
                "mixed; activations float16, weights, soft-maxes, norms and losses float32. float16 is emulated: every "
                "float16 value is rounded and overflows as on the wafer, products are added up in float32. The "
                "order of additions is this processor's"
            )
        case "float16":
            return (
                "mixed; activations float16, weights, soft-maxes, norms and losses float32. Computed in float32 for "
                "speed: float16's rounding and its overflow are not emulated (model.emulate_float16: True does)"
            )
    return "float32 throughout; nothing is emulated"


def _dtypes(argument: Argument) -> Iterator[str]:
    if isinstance(argument, Constant):
        if argument.kind == "dtype":
            yield argument.name
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _dtypes(part)
