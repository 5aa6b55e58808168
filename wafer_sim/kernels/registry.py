"""The kernel library: one registry of what the wafer computes, for both frameworks.

It says which operations each kernel matches. An operation that it does not name is refused, so it is the security
boundary and the kernel match at once: `aten.KERNELS` and `tensorflow.KERNELS` are its two sides. Shape rules are in
`aten_shapes` and `tensorflow_shapes`, costs in `costs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wafer_sim.kernels.tables import TABLES

_TENSORFLOW = re.compile(r"(\w+)(?:\[([^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel. aten: "aten.<name>.<overload>", tensorflow: operation -> the attributes it may have.

    operations: what one element takes. keeps_input, keeps_result: what its backward pass reads.
    """

    name: str
    family: str
    operations: int
    keeps_input: bool
    keeps_result: bool
    aten: tuple[str, ...]
    tensorflow: Mapping[str, frozenset[str]]


def _kernel(family: str, line: str) -> Kernel:
    head, aten, tensorflow = (part.strip() for part in line.split("|"))
    name, *marks = head.split()
    number = next((int(mark) for mark in marks if mark.isdigit()), 1)
    kept = "".join(mark for mark in marks if not mark.isdigit())
    ops = tuple(f"aten.{op if '.' in op else op + '.default'}" for op in aten.split())
    attributes = {op: frozenset(given.split()) for op, given in _with_attributes(tensorflow)}
    return Kernel(name, family, number, "i" in kept, "o" in kept, ops, MappingProxyType(attributes))


def _with_attributes(text: str) -> list[tuple[str, str]]:
    found = [(match[1], match[2]) for match in _TENSORFLOW.finditer(text)]
    return [(op, "T" if given is None else given) for op, given in found]


REGISTRY: Mapping[str, Kernel] = MappingProxyType(
    {
        kernel.name: kernel
        for family, table in TABLES.items()
        for kernel in (_kernel(family, line) for line in table.strip().splitlines())
    }
)
"""Every kernel by its name."""

BY_OPERATION: Mapping[str, Kernel] = MappingProxyType(
    {op: kernel for kernel in REGISTRY.values() for op in (*kernel.aten, *(f"tf.{op}" for op in kernel.tensorflow))}
)
"""The kernel that an operation is: "aten.mm.default" and "tf.MatMul" are "matmul"."""
