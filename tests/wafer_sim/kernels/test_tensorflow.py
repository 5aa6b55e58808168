"""TensorFlow's kernel library as a list."""

from __future__ import annotations

import pytest
from tensorflow.python.framework import op_def_registry

from wafer_sim.kernels.tensorflow import KERNELS, UPDATES, nearest_way

FORBIDDEN = ("File", "Py", "Print", "Summary", "Save", "Restore", "Queue", "Dataset", "Iterator", "Function", "Call")


@pytest.mark.parametrize("part", FORBIDDEN)
def test_nothing_reaches_out(part: str) -> None:
    """No operation of these kinds is in the list."""
    assert [op for op in KERNELS if part in op] == []


def test_state_is_in_variables_only() -> None:
    """What TensorFlow calls stateful reads or changes a variable, or only must not be folded away."""
    stateful = {op for op in KERNELS if op_def_registry.get(op).is_stateful}
    reads = {"VarHandleOp", "ReadVariableOp", "VariableShape", "ResourceGather", "VarIsInitializedOp"}
    assert stateful >= UPDATES
    assert stateful - UPDATES <= reads | {"Assert", "CheckNumerics", "StatelessRandomGetAlg"}


def test_every_kernel_is_an_operation_with_these_attributes() -> None:
    """Each name exists in TensorFlow and has the attributes that are allowed; none of them names a function."""
    for op, allowed in KERNELS.items():
        attrs = {attr.name: attr.type for attr in op_def_registry.get(op).attr}
        assert attrs.keys() >= allowed, op
        assert not any("func" in attrs[name] for name in allowed), op


@pytest.mark.parametrize(
    ("op", "way"),
    [
        ("PyFunc", "Python cannot run"),
        ("StatefulPartitionedCall", "tf.function"),
        ("VariableV2", "use_resource"),
        ("Relu7", "did you mean"),
        ("Zzzz", "write it with arithmetic"),
        ("TensorListReserve", "unroll=True"),
    ],
)
def test_an_unknown_operation_comes_with_a_way_out(op: str, way: str) -> None:
    """Never without a hint."""
    assert way in nearest_way(op)
