"""The variables of a dataflow program, in one session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from wafer_sim.compiler.dataflow import LOCAL, OPTIMIZER, WEIGHT, Dataflow, Variable
from wafer_sim.runtime.protocol import Array, State
from wafer_sim.runtime.tensorflow_calls import prepared
from wire.errors import InvalidInput

_FIX = "load weights of the same model"


class Variables:
    """Handles, reads and assignments, made in the default graph; `open` them with the session that owns the values."""

    def __init__(self, program: Dataflow) -> None:
        self._all = {p.tensor.name: p for p in program.parameters}
        # An evaluation needs a part of what a checkpoint holds; training has to keep all of it.
        self._takes_more = not any(p.trained for p in program.parameters)
        self._slots = {name: _Slot(p) for name, p in self._all.items()}
        self._read: Any = None
        self._assign: Any = None

    def open(self, session: Any) -> None:
        slots = self._slots.values()
        self._read = prepared(session, [slot.read for slot in slots])
        self._assign = {name: prepared(session, [slot.assign], [slot.value]) for name, slot in self._slots.items()}

    def state(self) -> State:
        """Copies of all but the local ones."""
        values = dict(zip(self._slots, self._read(), strict=True))
        weights, optimizer = (
            {n: plain(values[n]) for n, p in self._all.items() if p.role == role} for role in (WEIGHT, OPTIMIZER)
        )
        return State(weights, optimizer)

    def set(self, role: str, values: Mapping[str, Array]) -> None:
        """Raises InvalidInput, naming the variable, for values that do not fit; nothing is changed then."""
        wanted = {name: p for name, p in self._all.items() if p.role == role}
        odd = wanted.keys() - values.keys() if self._takes_more else wanted.keys() ^ values.keys()
        if odd:
            name = min(odd)
            what = "no values were given for" if name in wanted else "the model has no"
            raise InvalidInput(f"{what} variable {name!r}", where=name, fix=_FIX)
        arrays = {name: _fitting(p, values[name]) for name, p in wanted.items()}
        for name, array in arrays.items():
            self._assign[name](array)

    def refill(self, role: str) -> None:
        """Fresh values for all variables of a role. Raises InvalidInput where they are not one number each."""
        wanted = {name: p for name, p in self._all.items() if p.role == role}
        if unknown := [name for name, p in wanted.items() if p.fill is None]:
            what = f"no values were given for variable {unknown[0]!r}"
            raise InvalidInput(what, where=unknown[0], fix="load a checkpoint with the optimizer's state")
        for name, p in wanted.items():
            self._assign[name](np.full(p.tensor.shape, p.fill, _numpy(p)))

    def has(self, role: str) -> bool:
        return any(p.role == role for p in self._all.values())

    def reset(self) -> None:
        """Start to count anew."""
        self.refill(LOCAL)


class _Slot:
    """One variable's operations in the graph."""

    def __init__(self, variable: Variable) -> None:
        tensor = variable.tensor
        dtype = tf.as_dtype(tensor.dtype)
        handle = tf.raw_ops.VarHandleOp(dtype=dtype, shape=tensor.shape, shared_name=tensor.name)
        self.value: Any = tf.compat.v1.placeholder(dtype, tensor.shape)
        self.assign: Any = tf.raw_ops.AssignVariableOp(resource=handle, value=self.value)
        self.read: Any = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)


def _numpy(variable: Variable) -> Any:
    return tf.as_dtype(variable.tensor.dtype).as_numpy_dtype


def _fitting(variable: Variable, array: Array) -> Array:
    tensor = variable.tensor
    if tuple(array.shape) != tensor.shape:
        what = f"variable {tensor.name!r} has shape {tensor.shape}, the values have {tuple(array.shape)}"
        raise InvalidInput(what, where=tensor.name, fix=_FIX)
    return np.array(array, dtype=_numpy(variable))


def plain(value: Any) -> Array:
    """A copy as numpy has it; bfloat16 as float32, which is exact."""
    array = np.asarray(value)
    return np.array(array, dtype=np.float32) if array.dtype.name == "bfloat16" else np.array(array)
