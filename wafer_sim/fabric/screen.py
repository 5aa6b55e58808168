"""An estimate for people: what it comes to, what limits it, and a line for each kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wafer_sim.fabric.cost import COMPUTE, FABRIC, INPUT, MEMORY
from wafer_sim.fabric.result import WEIGHT_STREAMING, Estimate, KernelEstimate
from wafer_sim.fabric.streaming import LINK

BINDS = {
    COMPUTE: "arithmetic",
    MEMORY: "SRAM bandwidth",
    FABRIC: "the way across the fabric",
    LINK: "weights over the link",
    INPUT: "input over the link",
}
_SHOWN = 24
_HEAD = ("kernel", "kind", "cores", "at", "cycles", "bound", "busy", "utilised", "SRAM", "in flight")


def table(estimate: Estimate, rate: float | None = None, shown: int = _SHOWN) -> str:
    """The whole as plain text. rate: samples per second of one worker, as measured, for the number of workers."""
    lines = [f"{name:<{_widest(estimate)}}  {value}" for name, value in facts(estimate, rate)]
    kernels = sorted(estimate.kernels, key=lambda kernel: -kernel.turn)[:shown]
    chosen = [kernel for kernel in estimate.kernels if kernel in kernels]
    lines += ["", *columns([_HEAD, *(_row(kernel, estimate) for kernel in chosen)])]
    if left := len(estimate.kernels) - len(chosen):
        lines.append(f"and {left:,} quicker kernel{'s' * (left > 1)}")
    return "\n".join(lines) + "\n"


def facts(estimate: Estimate, rate: float | None = None) -> Iterator[tuple[str, str]]:
    """Name and value of what is said of the whole."""
    batch, held, room = estimate.batch, estimate.held_bytes, estimate.room_bytes
    yield (
        "samples/s",
        f"{number(estimate.samples_per_second)}, limited by {BINDS[estimate.bound]} ({limiter(estimate)})",
    )
    yield "delta_t", f"{number(estimate.delta_t)} cycles per sample at {estimate.clock_hertz / 1e6:g} MHz"
    yield "machine", f"{estimate.title}, {estimate.grid[0]} x {estimate.grid[1]} cores"
    yield "strategy", f"{estimate.strategy}, {estimate.mode}, {estimate.precision}"
    yield "replicas", f"{estimate.replicas}, each with {batch.size:,} samples a batch{_in_parts(estimate)}"
    yield "cores", f"{estimate.active_cores:,} active ({estimate.fabric_utilization:.2%} of the fabric)"
    yield "memory", f"{size(held)} of {size(room)} SRAM ({held / room:.1%})"
    yield "busy", f"{estimate.balance:.1%} of the active cores' time; arithmetic {estimate.compute_utilization:.1%}"
    yield "batch", _batch(estimate)
    yield "needed input", f"{size(estimate.input_bytes_per_second)}/s"
    if rate is not None:
        yield "workers", f"{estimate.workers(rate):,} at {number(rate)} samples/s each"


def limiter(estimate: Estimate) -> str:
    """Who is behind the bound: the slowest kernel and the user's line, or the link."""
    if estimate.bound == INPUT:
        return f"{size(estimate.input_bytes)} a sample"
    slowest = next(kernel for kernel in estimate.kernels if kernel.name == estimate.bottleneck)
    return ", ".join(part for part in (slowest.name, slowest.source) if part)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns; the first two to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(_set(row[i], widths[i], i) for i in range(len(row))).rstrip() for row in rows]


def number(value: float) -> str:
    """A number as people write it: four digits at least, no more than they mean."""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"


def size(value: float) -> str:
    """Bytes with a unit: 1.50 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.2f} {unit}"
        value /= 1024
    raise AssertionError("the last unit takes everything")


def _row(kernel: KernelEstimate, estimate: Estimate) -> tuple[str, ...]:
    r = kernel.rectangle
    cycles = f"{number(kernel.turn)}{' <' if kernel.name == estimate.bottleneck else '  '}"
    at = "-" if r is None else f"{r.x},{r.y} {r.width}x{r.height}"
    shares = f"{kernel.busy:.0%}", f"{kernel.utilisation:.0%}"
    held = f"{kernel.held_bytes / kernel.room_bytes:.0%}"
    return kernel.name, kernel.kind, f"{kernel.cores:,}", at, cycles, kernel.bound, *shares, held, str(kernel.in_flight)


def _batch(estimate: Estimate) -> str:
    batch = estimate.batch
    text = f"{batch.size:,} x {number(batch.interval)} cycles"
    more = [("fill", batch.fill), ("update", batch.update), ("all-reduce", batch.reduce)]
    return " + ".join([text, *(f"{number(cycles)} {name}" for name, cycles in more if cycles)])


def _in_parts(estimate: Estimate) -> str:
    streamed = estimate.strategy == WEIGHT_STREAMING and estimate.batch.micro_batches > 1
    return f", in {estimate.batch.micro_batches} parts" if streamed else ""


def _widest(estimate: Estimate) -> int:
    return max(len(name) for name, _ in facts(estimate, 1.0))


def _set(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)
