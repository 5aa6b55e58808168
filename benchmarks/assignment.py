"""How long the coordinator thinks: 1,000 workers and 4,000 streams in its machine, through events only."""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc

from benchmarks.measure import Figure, Result
from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator.machine import Coordinator
from wafer_sim.coordinator.state import Limits
from wire.elements import ElementSpec, Field
from wire.schema import spec_to_bytes
from wire.v1 import run_pb2

SIZES = (250, 500, 1000, 2000)
SIZE = 1000
STREAMS_A_WORKER = 4
CHANGES = 100
BOUND_MS = 50.0
LINEAR = SIZES[-1] / SIZES[0]
TOLERANCE = 1.25
RUN = "run"


class Crowd:
    """A coordinator with a run on the wafer, and so many workers that share its streams."""

    def __init__(self, workers: int) -> None:
        self.coordinator = Coordinator(Limits(workers=2 * workers))
        self._incarnations: dict[str, int] = {}
        self._draw = random.Random(1)  # noqa: S311 - who dies, not a secret
        self._joined = 0
        for _ in range(workers):
            self.join()
        self.coordinator.handle(ev.RunSubmitted(0.0, RUN, _spec(workers * STREAMS_A_WORKER)))
        incarnation = self.coordinator.state.runs[RUN].incarnation
        self.coordinator.handle(ev.WaferAttached(0.0, RUN, incarnation, "localhost:1"))
        assert len(self.coordinator.state.runs[RUN].hosts) == workers * STREAMS_A_WORKER, "a stream has no host"

    def join(self) -> float:
        """One more worker; the milliseconds until it and all others know what they host."""
        self._joined += 1
        name = f"host:{self._joined}"
        milliseconds, out = self._timed(ev.WorkerRegistered(0.0, name, name))
        registered = next(instruction for instruction in out if isinstance(instruction, do.Registered))
        self._incarnations[name] = registered.incarnation
        return milliseconds

    def die(self) -> float:
        """One worker less; the milliseconds until the others know what they host."""
        name = self._draw.choice(list(self._incarnations))
        return self._timed(ev.WorkerLost(0.0, name, self._incarnations.pop(name)))[0]

    def _timed(self, event: ev.Event) -> tuple[float, list[do.Instruction]]:
        begun = time.perf_counter()
        out = self.coordinator.handle(event)
        return (time.perf_counter() - begun) * 1e3, out


def measure() -> Result:
    """Deaths and joins in turn at each size; memory in a run of its own, untimed."""
    joins: dict[int, list[float]] = {}
    deaths: dict[int, list[float]] = {}
    for size in SIZES:
        crowd = Crowd(size)
        changes = [(crowd.die(), crowd.join()) for _ in range(CHANGES)]
        deaths[size], joins[size] = ([pair[i] for pair in changes] for i in (0, 1))
    memory = {size: _memory(size) for size in SIZES}
    figures = [*_times("death", deaths), *_times("join", joins)]
    figures += [Figure(f"memory, {size:,} workers", "MiB", [mib]) for size, mib in memory.items()]
    figures.append(_growth("memory", memory))
    notes = f"{STREAMS_A_WORKER} streams a worker; {CHANGES} deaths and joins in turn at each size. Growth: the "
    notes += f"figure with {SIZES[-1]:,} workers over that with {SIZES[0]:,}; {LINEAR:g} is linear."
    return Result("assignment", "python -m benchmarks assignment", figures, notes)


def _times(event: str, times: dict[int, list[float]]) -> list[Figure]:
    figures = [Figure(f"{event}, {size:,} workers", "ms", values) for size, values in times.items()]
    worst = max(times[SIZE])
    figures.append(
        Figure(f"{event}, {SIZE:,} workers, longest", "ms", [worst], f"<= {BOUND_MS:g} ms", worst <= BOUND_MS)
    )
    figures.append(_growth(event, {size: statistics.median(values) for size, values in times.items()}))
    return figures


def _growth(name: str, values: dict[int, float]) -> Figure:
    growth, most = values[SIZES[-1]] / values[SIZES[0]], LINEAR * TOLERANCE
    return Figure(f"{name}: growth", "x", [growth], f"<= {most:g}", growth <= most)


def _memory(size: int) -> float:
    """MiB that a crowd holds."""
    tracemalloc.start()
    crowd = Crowd(size)
    held = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    del crowd
    return held


def _spec(streams: int) -> run_pb2.RunSpec:
    element = spec_to_bytes(ElementSpec((Field("image", "float32", (4,)), Field("label", "int32"))))
    data = run_pb2.DataPlan(streams=streams, replicas=1, batch_size=256, element_spec=element, recipe="{}")
    return run_pb2.RunSpec(
        mode=run_pb2.MODE_TRAIN,
        fabric=run_pb2.FABRIC_COMPUTE,
        model_dir="/nowhere",
        executable="a" * 64,
        data=data,
        max_steps=10,
    )
