"""The kernel graph: a model as calls of kernels on named values, whatever framework it comes from.

Names of values begin with what they are: "$" a parameter, "@" an input, "%" something that a call makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

FORWARD = "forward"
BACKWARD = "backward"
UPDATE = "update"
PHASES = (FORWARD, BACKWARD, UPDATE)

PARAMETER = "$"
INPUT = "@"
MADE = "%"

BYTES = {"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2}
BYTES |= {"int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8}


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of a value. shape: with the samples of the batch. dtype: numpy's name, or "bfloat16"."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Dtype:
    """A dtype as an argument."""

    name: str


Argument = Ref | Dtype | None | bool | int | float | str | tuple["Argument", ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs for the whole batch: multiply-accumulates, other operations, bytes read and written."""

    macs: int = 0
    other: int = 0
    read: int = 0
    written: int = 0

    def __add__(self, more: Cost) -> Cost:
        return Cost(self.macs + more.macs, self.other + more.other, self.read + more.read, self.written + more.written)


@dataclass(frozen=True, slots=True)
class Call:
    """One call. kernel: a framework's operation ("aten.mm.default", "tf.MatMul") until it is matched, then a kernel.

    outputs: the values it makes, None for one that nothing reads. options: named constants and values. source: the
    user's line, may be empty. cost: None until it is known. layer: the kernel of the fabric it is part of, "" until
    the graph is cut.
    """

    kernel: str
    arguments: tuple[Argument, ...]
    outputs: tuple[str | None, ...]
    options: Mapping[str, Argument] = field(default_factory=dict)
    phase: str = FORWARD
    source: str = ""
    cost: Cost | None = None
    layer: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The values it reads, each once, in the order of its arguments."""
        return tuple(dict.fromkeys(references((*self.arguments, *self.options.values()))))

    @property
    def made(self) -> tuple[str, ...]:
        return tuple(name for name in self.outputs if name is not None)


@dataclass(frozen=True, slots=True)
class KernelGraph:
    """A model for one batch size. stage: the pass that gave it; what is valid depends on it.

    parameters: name with its sign -> whether it is trained. inputs: names with their sign. values: what is known of
    each value; parameters and inputs are always known. outputs: "loss", "grad/<parameter>", "metric/..." -> value.
    """

    stage: str
    batch: int
    parameters: Mapping[str, bool]
    inputs: tuple[str, ...]
    values: Mapping[str, Spec]
    calls: tuple[Call, ...]
    outputs: Mapping[str, str]

    def with_calls(self, calls: Sequence[Call], stage: str, outputs: Mapping[str, str] | None = None) -> KernelGraph:
        """The same graph with other calls; what is known of values that nothing makes any more is dropped."""
        made = {name for call in calls for name in call.made} | self.parameters.keys() | set(self.inputs)
        values = {name: spec for name, spec in self.values.items() if name in made}
        ends = self.outputs if outputs is None else outputs
        return replace(self, calls=tuple(calls), stage=stage, values=values, outputs=ends)


def references(argument: Argument) -> list[str]:
    """The names in an argument, in order."""
    if isinstance(argument, Ref):
        return [argument.name]
    return [name for part in argument for name in references(part)] if isinstance(argument, tuple) else []


def renamed(argument: Argument, names: Mapping[str, str]) -> Argument:
    """An argument with other names in it."""
    if isinstance(argument, Ref):
        return Ref(names.get(argument.name, argument.name))
    return tuple(renamed(part, names) for part in argument) if isinstance(argument, tuple) else argument
