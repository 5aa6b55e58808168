"""What an estimate says: of the whole, of each kernel, of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wafer_sim.fabric.packing import Rectangle

PIPELINE, WEIGHT_STREAMING = "pipeline", "weight_streaming"
STRATEGIES = (PIPELINE, WEIGHT_STREAMING)


@dataclass(frozen=True, slots=True)
class KernelEstimate:
    """One kernel of one replica. Cycles are per sample.

    rectangle: from the replica's corner; None in weight streaming, where each layer has the whole fabric in turn.
    forward, backward: cycles of the phases. compute, memory, fabric, link: what each alone would take, of which the
    first three go on at once; bound: the one that takes most. in_flight: samples it holds. held_bytes of room_bytes:
    its SRAM. busy: of the time between two samples (weight streaming: of its turn), the share it works. utilisation:
    of its cores' cycles (weight streaming: of the whole fabric's in its turn), the share in which a vector unit that
    never waits would have work.
    """

    name: str
    kind: str
    source: str
    inputs: tuple[str, ...]
    cores: int
    rectangle: Rectangle | None
    forward: float
    backward: float
    compute: float
    memory: float
    fabric: float
    link: float
    bound: str
    in_flight: int
    held_bytes: int
    room_bytes: int
    busy: float
    utilisation: float

    @property
    def cycles(self) -> float:
        """Per sample, both phases."""
        return self.forward + self.backward

    @property
    def turn(self) -> float:
        """Per sample, its work or its weights' way over the link, whichever takes longer."""
        return max(self.cycles, self.link)


@dataclass(frozen=True, slots=True)
class Batch:
    """One weight update of one replica, in cycles. interval: from one sample to the next while the pipeline is full.

    fill: until the first sample is through, which is paid once per batch. update: of the weights. reduce: of gradients
    over replicas. micro_batches: in how many parts a batch goes through (weight streaming). cycles: all together.
    """

    size: int
    interval: float
    fill: float
    update: float
    reduce: float
    micro_batches: int
    cycles: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """How fast a work is on a machine, and what it takes there.

    grid: usable cores across and down. corners: of the replicas. delta_t: cycles of the wafer per sample,
    once-per-batch costs and all replicas in it, so samples_per_second = clock_hertz / delta_t.
    compute_samples_per_second: what the fabric could do; transmission_samples_per_second: what the link could bring;
    samples_per_second: the lower. bound: "compute", "memory", "fabric", "link" or "input"; bottleneck: the kernel that
    is slowest. ideal: the least interval if the arithmetic were spread evenly over all cores of a replica's share.
    """

    machine: str
    title: str
    grid: tuple[int, int]
    clock_hertz: float
    strategy: str
    mode: str
    precision: str
    input_bytes: int
    corners: tuple[tuple[int, int], ...]
    kernels: tuple[KernelEstimate, ...]
    batch: Batch
    bound: str
    bottleneck: str
    compute_samples_per_second: float
    transmission_samples_per_second: float
    held_bytes: int
    room_bytes: int
    ideal: float

    @property
    def replicas(self) -> int:
        """Copies of the model on the wafer."""
        return len(self.corners)

    @property
    def samples_per_second(self) -> float:
        """Of all replicas together."""
        return min(self.compute_samples_per_second, self.transmission_samples_per_second)

    @property
    def delta_t(self) -> float:
        """Cycles of the wafer per sample."""
        return self.clock_hertz / self.samples_per_second

    @property
    def area(self) -> int:
        """Usable cores."""
        return self.grid[0] * self.grid[1]

    @property
    def active_cores(self) -> int:
        """Cores that have a part in some kernel."""
        cores = [kernel.cores for kernel in self.kernels]
        return max(cores) if self.strategy == WEIGHT_STREAMING else sum(cores) * self.replicas

    @property
    def fabric_utilization(self) -> float:
        """Share of the usable cores that are active."""
        return self.active_cores / self.area

    @property
    def balance(self) -> float:
        """Share of the active cores' cycles in which their kernel works, the pipeline full."""
        if self.strategy == WEIGHT_STREAMING:
            return sum(kernel.cycles for kernel in self.kernels) / self.batch.interval
        weighted = sum(kernel.busy * kernel.cores for kernel in self.kernels)
        return weighted / max(sum(kernel.cores for kernel in self.kernels), 1)

    @property
    def compute_utilization(self) -> float:
        """Share of the active cores' cycles in which a vector unit that never waits would have work."""
        if self.strategy == WEIGHT_STREAMING:
            return sum(kernel.utilisation * kernel.turn for kernel in self.kernels) / self.batch.interval
        weighted = sum(kernel.utilisation * kernel.cores for kernel in self.kernels)
        return weighted / max(sum(kernel.cores for kernel in self.kernels), 1)

    @property
    def placement_ratio(self) -> float:
        """The interval if all cores had an equal share of the arithmetic, of the interval there is: at most 1."""
        return self.ideal / self.batch.interval

    @property
    def input_bytes_per_second(self) -> float:
        """What has to come in."""
        return self.samples_per_second * self.input_bytes

    def workers(self, rate: float) -> int:
        """Workers needed where one makes `rate` samples per second; at least one per replica."""
        return max(math.ceil(self.samples_per_second / rate), self.replicas)
