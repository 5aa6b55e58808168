"""A dataflow program: a TensorFlow model's graphs as data. It is the other kind of thing that the wafer runs.

A graph is a list of named nodes; each reads earlier ones only, so there are no loops. It is never TensorFlow's own
serialized form: coordinator and wafer process check it without TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wafer_sim.compiler.program import Entry, ProgramError, Tensor

FORMAT = 1
KIND = "dataflow"

WEIGHT = "weight"
OPTIMIZER = "optimizer"
LOCAL = "local"
ROLES = (WEIGHT, OPTIMIZER, LOCAL)

LOSS = "loss"
TRAIN = "train"
KEY = "key"
GRAD = "grad/"
BUFFER = "buffer/"
INPUT = "input/"
METRIC = "metric/"
OBSERVED = "observed/"


@dataclass(frozen=True, slots=True)
class Variable:
    """A tensor of the model's state. role: "weight", "optimizer" (a slot) or "local" (what a metric counts in).

    trained: it has a gradient. fill: the number that every element of a fresh one has; None where it is not one
    number. Initial values of weights are not part of a program.
    """

    tensor: Tensor
    trained: bool = False
    role: str = WEIGHT
    fill: float | None = None


@dataclass(frozen=True, slots=True)
class Dtype:
    """An attribute that is a dtype, by numpy's name or "bfloat16"."""

    name: str


@dataclass(frozen=True, slots=True)
class Shape:
    """An attribute that is a shape. dims: None where the rank is not known; a length of None is not known either."""

    dims: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Value:
    """An attribute that is a constant tensor. data: its bytes, row by row, little-endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


Attr = bool | int | float | str | Dtype | Shape | Value | tuple["Attr", ...]


@dataclass(frozen=True, slots=True)
class DataNode:
    """One operation. inputs: "node", "node:1" for another output, or "^node" for one that only has to come first.

    source: the user's own line, "model.py:41", or "" where there is none.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class DataGraph:
    """feeds: what comes from outside -> its Placeholder. fetches: what is asked for -> an input as in DataNode.

    Feeds: "input/<name>"; "key", int64 (2,), from which all random numbers are drawn; "grad/<variable>", the reduced
    gradient, and "buffer/<variable>", the mean of what an update of one that is not trained takes. Fetches: "loss"; in
    GRADIENTS graphs also "grad/<variable>" and "buffer/<variable>", what one replica made, and "train", the update; in
    EVALUATE graphs "metric/<name>/value" and "metric/<name>/update". GRADIENTS graphs may have "observed/<name>": what
    is looked at before the update and changes nothing; it may need the batch and what was reduced. A second optimizer's
    gradient of the same variable, or a second update, is "grad/<variable>#2".
    """

    nodes: tuple[DataNode, ...]
    feeds: Mapping[str, str]
    fetches: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dataflow:
    """Everything the wafer needs to run a TensorFlow model, its optimizers included, but for the weights."""

    parameters: tuple[Variable, ...]
    inputs: tuple[Tensor, ...]
    graphs: Mapping[Entry, DataGraph] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON: the same program is always the same text."""
        from wafer_sim.compiler.dataflow_json import program_out

        return json.dumps(program_out(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Dataflow:
        """Read what `to_json` wrote. Raises ProgramError for anything else."""
        from wafer_sim.compiler.dataflow_json import program_in

        try:
            return program_in(json.loads(text))
        except ProgramError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ProgramError(f"this is no program: {type(error).__name__}: {error}") from error

    def digest(self) -> str:
        """64 hex digits that name the executable: the same for two programs that differ in constants only.

        Floating-point attributes and constants of rank 0 (dropout rate, learning rate, the optimizer's constants),
        whole numbers that can shape nothing (a schedule's steps) and source lines are left out, as the cache key of
        the real compiler leaves them out.
        """
        from wafer_sim.compiler.dataflow_json import program_out

        data = program_out(self, constants=False)
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def node_of(reference: str) -> str:
    """The node that an input or a fetch names: "node" of "node:1" and of "^node"."""
    return reference.removeprefix("^").partition(":")[0]


def ancestors(graph: DataGraph, references: Iterable[str]) -> set[str]:
    """The nodes that these references need, themselves included. The graph's nodes are in order."""
    wanted = {node_of(reference) for reference in references}
    for node in reversed(graph.nodes):
        if node.name in wanted:
            wanted.update(node_of(reference) for reference in node.inputs)
    return wanted
