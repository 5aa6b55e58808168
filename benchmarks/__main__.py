"""`python -m benchmarks [name ...]`: measure, print a table each, write benchmarks/results/<name>.json."""

from __future__ import annotations

import importlib
import sys

from benchmarks.measure import publish
from wire.errors import nearest

STANDARD = (
    "startup",
    "compiling",
    "overhead",
    "drain",
    "latency",
    "memory",
    "executor",
    "assignment",
    "guarantees",
    "tensorflow_fc_mnist",
    "stream",
    "fc_mnist",
    "jpeg",
    "tokens",
    "mlperf",
)
LONG = ("autotune", "chaos", "recommendation", "sweep")


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all but the long ones; the exit code is 1 where a target was missed."""
    if unknown := [name for name in names if name not in STANDARD + LONG]:
        print(f"there is no benchmark {unknown[0]!r}; {nearest(unknown[0], STANDARD + LONG)}", file=sys.stderr)
        return 2
    missed = False
    for name in names or STANDARD:
        result = importlib.import_module(f"benchmarks.{name}").measure()
        publish(result)
        missed = missed or not result.met
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
