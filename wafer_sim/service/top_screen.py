"""What `wafer_sim top` draws, from one answer of a coordinator and those before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wafer_sim.coordinator.state import QUEUED, RUNNING, STARTING
from wafer_sim.figures import worker_rates
from wafer_sim.service.seam_screen import conclusion, seam_table, table_of
from wafer_sim.verdict import FULL, KEEPS_UP
from wire.core_use import busiest
from wire.v1 import coordinator_pb2

_KEPT = 60
_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 30

Rates = Mapping[tuple[str, str], float]
"""(run, replica or worker) -> samples per second since the look before."""


class Trend:
    """What only several looks tell: rates of replicas, and how the rate of a run went. No clock of its own."""

    def __init__(self) -> None:
        self._before: tuple[float, dict[tuple[str, str], int]] | None = None
        self._rates: dict[str, deque[float]] = {}
        self.replicas: Rates = {}

    def follow(self, reply: coordinator_pb2.StatusReply, now: float) -> Trend:
        """Take in an answer that came at `now`, in seconds of some clock."""
        samples = {(run.run_id, name): count for run in reply.runs for name, count in samples_of(run).items()}
        if self._before is not None and now > self._before[0]:
            seconds, past = now - self._before[0], self._before[1]
            self.replicas = {key: max(0, count - past[key]) / seconds for key, count in samples.items() if key in past}
        self._before = now, samples
        for run in reply.runs:
            if run.state == RUNNING and run.HasField("progress"):
                kept = self._rates.setdefault(run.run_id, deque(maxlen=_KEPT))
                kept.append(run.progress.recent_samples_per_second)
        return self

    def rates(self, run_id: str) -> Sequence[float]:
        """Samples per second of a run at the last looks."""
        return tuple(self._rates.get(run_id, ()))


def samples_of(run: coordinator_pb2.RunStatus) -> dict[str, int]:
    """Replica -> samples that its streams gave."""
    found: dict[str, int] = {}
    for position in run.progress.streams:
        name = str(position.next.stream % max(1, run.spec.data.replicas))
        found[name] = found.get(name, 0) + position.samples
    return found


def top_screen(reply: coordinator_pb2.StatusReply, trend: Trend) -> RenderableType:
    """The coordinator in a line, then the run on the wafer with replicas, seams and workers, then who waits."""
    return Group(*_parts(reply, trend))


def _parts(reply: coordinator_pb2.StatusReply, trend: Trend) -> Iterator[RenderableType]:
    waiting = sum(run.state == QUEUED for run in reply.runs)
    count = f"workers: {len(reply.workers)}   jobs waiting: {waiting}"
    yield Text(f"wafer_sim, up {_clock(reply.up_seconds)}   {count}   q leaves", style="bold reverse")
    active = [run for run in reply.runs if run.state in (STARTING, RUNNING)]
    for run in active:
        yield from _run(run, reply, trend)
    if not active:
        yield Text("\nno job has the wafer")
        yield _workers(reply, {})


def _run(run: coordinator_pb2.RunStatus, reply: coordinator_pb2.StatusReply, trend: Trend) -> Iterator[RenderableType]:
    yield Text(f"\n{run.run_id}  {run.spec.model_dir}  {run.phase or run.state}")
    if run.HasField("progress"):
        yield _figures(run, trend.rates(run.run_id))
        yield Text(f"{conclusion(run)[:1].upper()}{conclusion(run)[1:]}.\n", style="bold")
        yield _replicas(run, trend.replicas)
        yield Text()
    if run.seams:
        yield seam_table(run.seams)
        yield Text()
    yield _workers(reply, worker_rates(run.progress.recent_samples_per_second, run.seams))


def _figures(run: coordinator_pb2.RunStatus, rates: Sequence[float]) -> Table:
    at = run.progress
    table = Table(show_header=False, show_edge=False, box=None)
    steps = f"{at.step:,}" + (f" of {at.max_steps:,}" if at.max_steps else "")
    table.add_row("step", steps, bar(at.step / at.max_steps) if at.max_steps else "")
    rate = f"{at.recent_samples_per_second:,.0f} samples/s, mean {at.samples_per_second:,.0f}"
    table.add_row("rate", rate, Text(spark(rates)))
    table.add_row("AU", f"{at.utilisation:.3f}", bar(at.utilisation, "green" if at.utilisation >= KEEPS_UP else "red"))
    blamed = ", ".join(f"{stall.seam} {stall.seconds:.1f} s" for stall in at.stalls)
    table.add_row("stall", f"{at.stall_seconds:.1f} s of {at.seconds:.1f} s", Text(blamed))
    load = busiest(at.cores)
    cores = f"{load.busy:.0%} busy, {load.ours:.0%} with this"
    table.add_row("cores", cores, bar(load.busy, "red" if load.busy >= FULL else "cyan"))
    return table


def _replicas(run: coordinator_pb2.RunStatus, rates: Rates) -> Table:
    table = table_of("replicas", "replica", "streams", "samples", "samples/s")
    streams = range(run.spec.data.streams)
    for name, samples in sorted(samples_of(run).items(), key=lambda pair: int(pair[0])):
        mine = ", ".join(str(stream) for stream in streams if str(stream % run.spec.data.replicas) == name)
        rate = rates.get((run.run_id, name))
        table.add_row(name, mine, f"{samples:,}", "-" if rate is None else f"{rate:,.0f}")
    return table


def _workers(reply: coordinator_pb2.StatusReply, rates: Mapping[str, float]) -> Table:
    table = table_of("workers", "worker", "streams", "samples/s", "late with", "silent", folded=("streams",))
    for worker in reply.workers:
        streams = ", ".join(map(str, worker.streams)) or "none"
        rate = f"{rates[worker.name]:,.0f}" if worker.name in rates else "-"
        late = ", ".join(map(str, worker.late))
        table.add_row(worker.name, streams, rate, late, f"{worker.silent_seconds:.1f} s")
    return table


def bar(share: float, style: str = "cyan") -> Text:
    """A share (0 .. 1) as a bar."""
    full = round(_WIDTH * min(1.0, max(0.0, share)))
    return Text.assemble(("█" * full, style), ("░" * (_WIDTH - full), "dim"))


def spark(rates: Sequence[float]) -> str:
    """Numbers as a row of small bars, the last ones at most; the highest is a full one."""
    most = max(rates, default=0.0)
    return "".join(_BARS[round((len(_BARS) - 1) * rate / most)] for rate in rates[-_WIDTH:]) if most > 0 else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
