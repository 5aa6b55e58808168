"""The executor for captured TensorFlow models: a dataflow program in one session over one copy of the variables."""

from __future__ import annotations

import hashlib
import re
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wafer_sim.compiler.check import require_supported
from wafer_sim.compiler.dataflow import (
    BUFFER,
    GRAD,
    INPUT,
    KEY,
    LOCAL,
    LOSS,
    METRIC,
    OBSERVED,
    OPTIMIZER,
    TRAIN,
    WEIGHT,
    Dataflow,
    DataGraph,
)
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Tensor
from wafer_sim.runtime.protocol import Array, Gradients, State
from wafer_sim.runtime.tensorflow_calls import prepared
from wafer_sim.runtime.tensorflow_graph import graph_def
from wafer_sim.runtime.tensorflow_variables import Variables, plain
from wire.errors import InvalidInput

Batch = Sequence[npt.NDArray[np.generic]]

_IN_THE_CALLERS_THREAD = -1
_NODE = re.compile(r"\{\{node (?P<name>[^}]+)\}\}")
_EVALUATION_KEY = (0, 0, 0)


class TensorflowExecutor:
    """Runs a program's graphs. `gradients` may be called from several threads; `apply`, `load` and `evaluate` not.

    weights: variable -> array, of all weights; of the optimizers' variables all or none (then they start anew).
    threads: TensorFlow's threads inside one operation; the first executor of a process decides for all of them.
    Results are bit for bit the same for the same number. Raises Refused for an operation without a kernel,
    InvalidInput for weights that do not fit.
    """

    def __init__(self, program: Dataflow, weights: Mapping[str, Array], *, threads: int = 1) -> None:
        require_supported(program)
        self.program = program
        graph: Any = tf.Graph()
        with graph.as_default():
            self._variables = Variables(program)
            self._parts = {entry: _Part(program, entry, g) for entry, g in program.graphs.items()}
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=_IN_THE_CALLERS_THREAD,
            device_count={"GPU": 0},
        )
        session = tf.compat.v1.Session(graph=graph, config=config)
        self._variables.open(session)
        for part in self._parts.values():
            part.open(session)
        self._start(weights)
        self._counting = threading.Lock()

    def gradients(self, batch: Batch, *, seed: int, step: int, replica: int) -> Gradients:
        """Loss and gradients of one batch: arrays (rows, *shape), cast to the inputs' dtypes on arrival.

        Raises InvalidInput for a batch that does not fit or a node that cannot compute.
        """
        loss, *tensors = self._part(GRADIENTS, batch).run(batch, (seed, step, replica))
        return Gradients(float(loss), tensors)

    def observe(self, batch: Batch, reduced: Sequence[Any], *, seed: int, step: int, replica: int) -> dict[str, Array]:
        """What the model's host call gets, with the weights as they are before the update. Raises InvalidInput."""
        return self._part(GRADIENTS, batch).observe(batch, reduced, (seed, step, replica))

    def apply(self, reduced: Sequence[Any], step: int) -> None:
        """Run the model's train_op once on gradients in the order of `gradients`. Raises InvalidInput."""
        part = next((p for e, p in self._parts.items() if e.kind == GRADIENTS), None)
        if part is None:
            what = "this executor has no train_op"
            raise InvalidInput(what, where="the executable", fix="compile for training")
        part.train(reduced)

    @property
    def loss_scale(self) -> None:
        """Nothing: a TensorFlow program scales its loss by operations and variables of its own."""
        return

    def evaluate(self, batch: Batch) -> dict[str, float]:
        """Sums over one batch: "rows" and "loss" times rows. The model's own metrics count on: see `metrics`."""
        part = self._part(EVALUATE, batch)
        with self._counting:
            loss = part.run(batch, _EVALUATION_KEY)[0]
        rows = float(len(batch[0]))
        return {"rows": rows, "loss": float(loss) * rows}

    def look(self, batch: Batch) -> tuple[dict[str, float], Mapping[str, Array]]:
        """As `evaluate`: a program of TensorFlow lets nothing be seen of a batch that it evaluates."""
        return self.evaluate(batch), {}

    def metrics(self) -> dict[str, float]:
        """The model's metrics over all batches since the last `reset`."""
        part = next((p for e, p in self._parts.items() if e.kind == EVALUATE), None)
        return {} if part is None else part.metrics()

    def reset(self) -> None:
        """Let the metrics count anew."""
        self._variables.reset()

    def state(self) -> State:
        """Copies of the weights and of the optimizers' variables."""
        return self._variables.state()

    def load(self, state: State) -> None:
        """Continue from a state, whole or weights only. Raises InvalidInput, naming the tensor that does not fit."""
        self._variables.set(WEIGHT, state.weights)
        if state.optimizer:
            self._variables.set(OPTIMIZER, state.optimizer)

    def _start(self, weights: Mapping[str, Array]) -> None:
        slots = {p.tensor.name for p in self.program.parameters if p.role == OPTIMIZER}
        given = {name: array for name, array in weights.items() if name in slots}
        self._variables.set(WEIGHT, {name: array for name, array in weights.items() if name not in slots})
        if given:
            self._variables.set(OPTIMIZER, given)
        else:
            self._variables.refill(OPTIMIZER)
        self._variables.refill(LOCAL)

    def _part(self, kind: str, batch: Batch) -> _Part:
        inputs = self.program.inputs
        if len(batch) != len(inputs):
            what = (
                f"a batch has {len(batch)} fields; the model takes {len(inputs)} ({', '.join(t.name for t in inputs)})"
            )
            raise InvalidInput(what, where="batch", fix="mend input_fn")
        entry = Entry(kind, len(batch[0]) if batch else 0)
        if entry in self._parts:
            return self._parts[entry]
        sizes = sorted(e.batch_size for e in self._parts if e.kind == kind)
        raise InvalidInput(
            f"the executable has no {kind} graph for {entry.batch_size} samples",
            where=f"batch of {entry.batch_size}",
            fix=f"it was compiled for {', '.join(map(str, sizes)) or 'none'}",
        )


class _Part:
    """One entry's graph in the session."""

    def __init__(self, program: Dataflow, entry: Entry, graph: DataGraph) -> None:
        self._inputs = [(n, t) for n, t in enumerate(program.inputs) if INPUT + t.name in graph.feeds]
        self._tensors = program.inputs
        self._prefix = str(entry).replace("@", "_")
        self._sources = {node.name: (node.op, node.source) for node in graph.nodes}
        try:
            tf.import_graph_def(graph_def(graph), name=self._prefix)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise self._explained(error) from error
        self._graph, self._made = graph, tf.compat.v1.get_default_graph()
        self._reduced = [name for name in graph.feeds if name.startswith((GRAD, BUFFER))]
        self._observed = [name for name in graph.fetches if name.startswith(OBSERVED)]
        self._metrics = sorted({n.rpartition("/")[0] for n in graph.fetches if n.startswith(METRIC)})
        self._compute: Any = None
        self._update: Any = None
        self._look: Any = None
        self._values: Any = None

    def open(self, session: Any) -> None:
        fetches = [LOSS, *self._reduced, *(f"{name}/update" for name in self._metrics)]
        fed = [self._fed(INPUT + t.name) for _, t in self._inputs] + ([self._fed(KEY)] if self._draws else [])
        self._compute = prepared(session, [self._end(name) for name in fetches], fed)
        if TRAIN in self._graph.fetches:
            reduced = [self._fed(name) for name in self._reduced]
            self._update = prepared(session, [self._end(TRAIN)], reduced)
            if self._observed:
                self._look = prepared(session, [self._end(n) for n in self._observed], [*fed, *reduced])
        if self._metrics:
            self._values = prepared(session, [self._end(f"{name}/value") for name in self._metrics])

    def run(self, batch: Batch, key: tuple[int, int, int]) -> list[Any]:
        """Loss, then the gradients and what other updates take. Raises InvalidInput."""
        made = self._guarded(self._compute, self._arrived(batch, key))
        return list(made[: 1 + len(self._reduced)])

    def observe(self, batch: Batch, reduced: Sequence[Any], key: tuple[int, int, int]) -> dict[str, Array]:
        fed = [*self._arrived(batch, key), *(np.asarray(array) for array in reduced)]
        values = self._guarded(self._look, fed) if self._observed else []
        return {name.removeprefix(OBSERVED): plain(v) for name, v in zip(self._observed, values, strict=True)}

    def _arrived(self, batch: Batch, key: tuple[int, int, int]) -> list[Any]:
        values = [_arrive(array, spec) for array, spec in zip(batch, self._tensors, strict=True)]
        return [values[n] for n, _ in self._inputs] + ([_key(key)] if self._draws else [])

    def train(self, reduced: Sequence[Any]) -> None:
        self._guarded(self._update, [np.asarray(array) for array in reduced])

    def metrics(self) -> dict[str, float]:
        if not self._metrics:
            return {}
        names = [name.removeprefix(METRIC) for name in self._metrics]
        return dict(zip(names, map(float, self._guarded(self._values, [])), strict=True))

    @property
    def _draws(self) -> bool:
        return KEY in self._graph.feeds

    def _fed(self, name: str) -> Any:
        return self._made.get_tensor_by_name(f"{self._prefix}/{self._graph.feeds[name]}:0")

    def _end(self, name: str) -> Any:
        reference = self._graph.fetches[name]
        if reference.startswith("^"):
            return self._made.get_operation_by_name(f"{self._prefix}/{reference[1:]}")
        node, _, output = reference.partition(":")
        return self._made.get_tensor_by_name(f"{self._prefix}/{node}:{output or 0}")

    def _guarded(self, run: Any, fed: list[Any]) -> Any:
        try:
            return run(*fed)
        except tf.errors.OpError as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> InvalidInput:
        said = str(error)
        named = _NODE.search(said)
        name = named["name"].removeprefix(f"{self._prefix}/") if named else ""
        op, source = self._sources.get(name, ("the graph", ""))
        what = f"{op} cannot compute: {_reason(said) or type(error).__name__}"
        return InvalidInput(what, where=source, fix="mend this line of the model, or the data that it takes")


def _reason(said: str) -> str:
    """The sentence itself: TensorFlow says it before it names the node, and after a traceback."""
    sentence = said.partition("[[{{node")[0].strip() or said
    return sentence.splitlines()[-1][:300] if sentence else ""


def _key(key: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """128 well-mixed bits, a pure function of (seed, step, replica)."""
    words = struct.pack("<3Q", *(part & (2**64 - 1) for part in key))
    return np.frombuffer(hashlib.blake2b(words, digest_size=16).digest(), dtype="<i8")


def _arrive(array: npt.NDArray[np.generic], spec: Tensor) -> npt.NDArray[Any]:
    if tuple(array.shape[1:]) != spec.shape:
        what = f"field {spec.name!r} has samples of shape {tuple(array.shape[1:])}, the model takes {spec.shape}"
        raise InvalidInput(what, where=spec.name, fix="mend the data, or compile for its shape")
    return np.ascontiguousarray(array, dtype=tf.as_dtype(spec.dtype).as_numpy_dtype)
