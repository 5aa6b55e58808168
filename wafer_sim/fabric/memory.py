"""What a kernel holds in the SRAM of its cores."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_sim.fabric.work import TRAINING, Kernel, Work

_TURNS = 2  # a part that comes and a part that is worked on


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one kernel, over all its cores. gradients: summed up over a batch."""

    weights: int
    optimizer: int
    gradients: int
    kept: int
    buffers: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.optimizer + self.gradients + self.kept + self.buffers


def memory_of(kernel: Kernel, work: Work, in_flight: int) -> Memory:
    """What a kernel holds with so many samples in flight through it."""
    training = work.mode == TRAINING
    passing = (kernel.bytes_in + kernel.bytes_out) // max(kernel.parts, 1)
    return Memory(
        kernel.weight_bytes,
        kernel.optimizer_bytes if training else 0,
        kernel.weight_bytes if training else 0,
        kernel.kept_bytes * in_flight if training else 0,
        _TURNS * passing,
    )
