"""The kernel library for TensorFlow's graphs: the operations the wafer has a kernel for, and their attributes.

It is the other side of the registry, and a list of what is allowed; whatever is not in it is refused by name. So it
is the security boundary and the kernel match at once. Nothing in it reaches files, network or Python, prints, calls a
function, waits in a queue, or gives a shape that depends on data. Random numbers are drawn from a fed key only: an
operation that keeps a state of its own is replaced at capture. The only state is in variables of the program. Switch
and Merge choose between branches; there is nothing to loop with.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wafer_sim.kernels.registry import REGISTRY
from wire.errors import nearest

_FUNCTIONS = "tf.where(condition, a, b) chooses, a Python loop of fixed length repeats"
_PYTHON = "Python cannot run on the wafer; use TensorFlow's own operations, or do it in input_fn"
_FILES = "it reaches out of the graph; do it in input_fn, or outside of model_fn"
_SHAPE = "its result's shape depends on the data; tf.where(mask, a, b) keeps the shape"
_CHECK = "a check cannot stop training; leave it out, or do it in input_fn"

_WAYS = {
    **dict.fromkeys(("PyFunc", "EagerPyFunc", "PyFuncStateless", "NumpyFunc"), _PYTHON),
    **dict.fromkeys(("If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase"), _FUNCTIONS),
    **dict.fromkeys(("Enter", "Exit", "NextIteration", "RefSwitch", "LoopCond"), _FUNCTIONS),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), "call the function without tf.function"),
    **dict.fromkeys(("ReadFile", "WriteFile", "SaveV2", "RestoreV2", "MatchingFiles"), _FILES),
    **dict.fromkeys(("Where", "BooleanMask", "Unique", "UniqueV2", "DynamicPartition", "ListDiff"), _SHAPE),
    **dict.fromkeys(("Assert", "AssertV2"), _CHECK),
    **dict.fromkeys(("Print", "PrintV2", "StringFormat"), "printing cannot leave the wafer; leave it out"),
    **dict.fromkeys(
        ("ScalarSummary", "WriteScalarSummary", "HistogramSummary", "MergeSummary", "ImageSummary"),
        "summaries are written outside of the wafer; leave it out of the loss and of train_op",
    ),
    **dict.fromkeys(
        ("VariableV2", "Variable", "Assign", "AssignAdd", "AssignSub", "TemporaryVariable"),
        "make it a resource variable: tf.compat.v1.get_variable(..., use_resource=True)",
    ),
    "RandomShuffle": "shuffle in input_fn; tf.argsort of tf.random.uniform gives a permutation",
    "StatefulUniform": "use tf.compat.v1.random.uniform, which is drawn from (seed, step, replica)",
    "Placeholder": "only features and labels come from outside; make it a constant or a feature",
}


UPDATES = frozenset(op for kernel in REGISTRY.values() if kernel.family == "update" for op in kernel.tensorflow)
"""The operations that change a variable."""

KERNELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {op: attributes for kernel in REGISTRY.values() for op, attributes in kernel.tensorflow.items()}
)
"""Every operation the wafer has a kernel for -> the attributes it may have."""


CHECKS = frozenset(("Assert",))
"""The operations for evaluation only, where metrics are counted by the host."""


def nearest_way(op: str) -> str:
    """What a user can do about an operation without a kernel: one clause, never empty."""
    if op in _WAYS:
        return _WAYS[op]
    if "TensorList" in op:
        return "a layer that loops over time needs unroll=True"
    near = nearest(op, tuple(KERNELS))
    return near if near.startswith("did") else "write it with arithmetic, matrix products, convolutions and reductions"
