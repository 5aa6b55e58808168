"""What one sample costs a kernel that lies on a rectangle of cores: cycles of each kind, and which kind binds.

A phase (forward, or backward) streams operands from SRAM and links through the vector unit, so the slowest of the
three sets its pace; then its results have to cross the rectangle, hop by hop, before the phase is over. A core does one
phase at a time. That is why more cores help only up to a point: the way across grows with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from wafer_sim.fabric.machine import Machine
from wafer_sim.fabric.work import Kernel, Work

COMPUTE, MEMORY, FABRIC, INPUT = "compute", "memory", "fabric", "input"
"""What can bind."""
_VALUES_PER_OPERATION = 3  # an operation of no multiply-accumulate reads two values and writes one


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase of a kernel asks for, per sample: core-cycles of arithmetic and of SRAM, cycles of one link."""

    compute: float
    memory: float
    wire: float

    def cycles(self, cores: int | float, side: int | float, way: float) -> float:
        """On so many cores that divide the work, the shorter side of the rectangle, and the way across in cycles."""
        if not (self.compute or self.memory):
            return 0.0
        return max(self.compute / cores, self.memory / cores, self.wire / side) + way


@dataclass(frozen=True, slots=True)
class Parts:
    """Cycles per sample by kind, both phases together. fabric: links and the way across."""

    compute: float
    memory: float
    fabric: float

    @property
    def bound(self) -> str:
        """The kind that takes most."""
        return max((self.compute, COMPUTE), (self.memory, MEMORY), (self.fabric, FABRIC), key=lambda pair: pair[0])[1]


@dataclass(frozen=True)
class Load:
    """A kernel's phases in the numbers of a machine. most: cores beyond which it has nothing to divide."""

    forward: Phase
    backward: Phase
    most: int
    hop: float

    def phases(self, width: float, height: float) -> tuple[float, float]:
        """Cycles of the forward and of the backward phase on a rectangle."""
        cores, side, way = min(width * height, self.most), min(width, height), self.hop * (width + height)
        return self.forward.cycles(cores, side, way), self.backward.cycles(cores, side, way)

    def service(self, width: float, height: float) -> float:
        """Cycles per sample on a rectangle."""
        forward, backward = self.phases(width, height)
        return forward + backward

    def parts(self, width: int, height: int) -> Parts:
        """Cycles per sample on a rectangle, by kind."""
        return self.split(min(width * height, self.most), min(width, height), self.hop * (width + height))

    def split(self, cores: int, side: int, way: float) -> Parts:
        """Cycles per sample by kind, on so many cores; side and way as `Phase.cycles` has them."""
        both = [phase for phase in (self.forward, self.backward) if phase.compute or phase.memory]
        return Parts(
            sum(phase.compute for phase in both) / cores,
            sum(phase.memory for phase in both) / cores,
            sum(phase.wire for phase in both) / side + way * len(both),
        )


def load_of(kernel: Kernel, work: Work, machine: Machine) -> Load:
    """A kernel in the numbers of a machine. Raises InvalidInput for a precision that the machine does not have."""
    return Load(
        _phase(kernel, (kernel.macs, kernel.other), work.precision, machine),
        _phase(kernel, (kernel.backward_macs, kernel.backward_other), work.precision, machine),
        max(kernel.most_cores, 1),
        machine.hop_cycles,
    )


def update_cycles(kernel: Kernel, cores: int, machine: Machine) -> float:
    """Cycles of one weight update, in float32: its arithmetic, or its weights and state read and written."""
    arithmetic = kernel.update / machine.arithmetic("float32")
    return max(arithmetic, 2 * (kernel.weight_bytes + kernel.optimizer_bytes) / machine.sram_bytes_per_cycle) / cores


def arithmetic_cycles(kernel: Kernel, work: Work, machine: Machine) -> float:
    """Core-cycles per sample if the vector units never waited."""
    operations = kernel.macs + kernel.other + kernel.backward_macs + kernel.backward_other
    return operations / machine.lanes[work.precision]


@lru_cache(maxsize=200_000)
def rows(load: Load, width: int, target: float, most: int) -> int | None:
    """The least height with which a rectangle of this width works at `target` cycles per sample; None: no height does.

    The cost is convex in the height, so what is fast enough is one range of heights.
    """
    low, high = 1, _best(load, width, most)
    if load.service(width, high) > target:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if load.service(width, middle) <= target else (middle + 1, high)
    return low


@lru_cache(maxsize=100_000)
def least_cores(load: Load, target: float, area: int) -> int | None:
    """The least number of cores, in a square, that works at `target` cycles per sample; None: no number does."""
    low, high = 1, best_cores(load, area)
    if load.service(high**0.5, high**0.5) > target:
        return None
    while low < high:
        middle = (low + high) // 2
        fast = load.service(middle**0.5, middle**0.5) <= target
        low, high = (low, middle) if fast else (middle + 1, high)
    return low


@lru_cache(maxsize=100_000)
def best_cores(load: Load, area: int) -> int:
    """The number of cores, in a square, at which a kernel is fastest."""
    low, high = 1, area
    while low < high:
        middle = (low + high) // 2
        rising = load.service((middle + 1) ** 0.5, (middle + 1) ** 0.5) >= load.service(middle**0.5, middle**0.5)
        low, high = (low, middle) if rising else (middle + 1, high)
    return low


@lru_cache(maxsize=100_000)
def _best(load: Load, width: int, most: int) -> int:
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        rising = load.service(width, middle + 1) >= load.service(width, middle)
        low, high = (low, middle) if rising else (middle + 1, high)
    return low


def _phase(kernel: Kernel, operations: tuple[int, int], precision: str, machine: Machine) -> Phase:
    macs, other = operations
    if not macs + other:
        return Phase(0.0, 0.0, 0.0)
    value, total = machine.value_bytes[precision], machine.sum_bytes[precision]
    touched = macs * (value + 2 * total) + other * _VALUES_PER_OPERATION * value + kernel.kept_bytes
    crossing = (kernel.bytes_in + kernel.bytes_out) / machine.link_bytes
    return Phase((macs + other) / machine.arithmetic(precision), touched / machine.sram_bytes_per_cycle, crossing)
