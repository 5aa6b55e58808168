"""The training workloads of the MLPerf Storage benchmark: sizes, batch sizes, compute times, and what passes. Pure.

The numbers are those of https://github.com/mlcommons/storage, configs/dlio/workload/{resnet50,unet3d,cosmoflow}_{h100,a100}.yaml
(record_length_bytes, record_length_bytes_resize, reader.batch_size, train.computation_time, metric.au). Where records
differ in size there, all have the mean here.
"""  # noqa: E501 - an address

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wire.errors import InvalidInput, nearest


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload on one accelerator.

    record_bytes: of a sample at rest. shape: of the sample that a step takes, in bytes. compute_seconds: of a step.
    passes_at: the least utilisation (AU). records: how many different ones lie in the file that is read.
    """

    name: str
    record_bytes: int
    shape: tuple[int, ...]
    batch_size: int
    compute_seconds: float
    passes_at: float
    records: int

    @property
    def samples_per_second(self) -> float:
        """What one accelerator takes while it never waits."""
        return self.batch_size / self.compute_seconds

    def utilisation(self, samples_per_second: float, accelerators: int = 1) -> float:
        """AU, 0 .. 1: the part of the time that accelerators which took so much were computing."""
        return min(1.0, samples_per_second / (self.samples_per_second * accelerators))


_SHAPES: dict[str, tuple[int, tuple[int, ...], int, float, int]] = {
    "resnet50": (114_660, (224, 224, 3), 400, 0.90, 1024),
    "unet3d": (146_600_628, (128, 128, 128), 7, 0.90, 8),
    "cosmoflow": (2_828_486, (2_828_486,), 1, 0.70, 64),
}
_COMPUTE_SECONDS = {
    "h100": {"resnet50": 0.224, "unet3d": 0.323, "cosmoflow": 0.00350},
    "a100": {"resnet50": 0.435, "unet3d": 0.636, "cosmoflow": 0.00551},
}


def chosen(accelerator: str, names: Sequence[str] | None = None) -> list[Workload]:
    """These workloads, or all, on an accelerator. Raises InvalidInput for a name that there is none of."""
    if accelerator not in _COMPUTE_SECONDS:
        fix = nearest(accelerator, list(_COMPUTE_SECONDS))
        raise InvalidInput(f"there is no accelerator {accelerator!r}", where="--accelerator", fix=fix)
    for name in names or ():
        if name not in _SHAPES:
            raise InvalidInput(f"there is no workload {name!r}", where="--workload", fix=nearest(name, list(_SHAPES)))
    return [_workload(name, _COMPUTE_SECONDS[accelerator][name]) for name in names or _SHAPES]


def _workload(name: str, compute_seconds: float) -> Workload:
    record_bytes, shape, batch_size, passes_at, records = _SHAPES[name]
    return Workload(name, record_bytes, shape, batch_size, compute_seconds, passes_at, records)


def fitted(size: int, shape: Sequence[int]) -> tuple[int, int]:
    """How a record of `size` bytes becomes a sample of a shape: so many times it is repeated, then cut to how many."""
    wanted = math.prod(shape)
    return -(-wanted // size), wanted
