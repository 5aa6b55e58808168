"""An estimate as one HTML page that needs nothing else: the wafer, the stages of the pipeline, a table of kernels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from wafer_sim.fabric import drawing
from wafer_sim.fabric.result import WEIGHT_STREAMING, Estimate, KernelEstimate
from wafer_sim.fabric.screen import BINDS, facts, limiter, number, size

_LABELS = ("line", "kind", "cores", "place", "cycles", "forward", "backward", "limited by", "busy", "utilised", "SRAM",
           "in flight")  # fmt: skip
_HEADINGS = ("kernel", "kind", "line", "cores", "cycles", "limited by", "busy", "utilised", "SRAM", "in flight")


def page(estimate: Estimate, title: str = "Compile report", rate: float | None = None) -> str:
    """The page. rate: samples per second of one worker, as measured, for the number of workers."""
    streaming = estimate.strategy == WEIGHT_STREAMING
    parts = {
        "title": escape(title),
        "subtitle": escape(f"{estimate.title}, {estimate.strategy}, {estimate.mode}, {estimate.precision}"),
        "tiles": "".join(_tiles(estimate, rate)),
        "map_title": "The wafer",
        "map_text": escape(_map_text(estimate)),
        "maps": "" if streaming else "".join(drawing.maps(estimate)),
        "stages_title": "Layer after layer" if streaming else "The pipeline",
        "stages_text": escape(_stages_text(estimate)),
        "bounds": "".join(_bounds(estimate)),
        "stages": drawing.stages(estimate),
        "headings": "".join(f"<th>{heading}</th>" for heading in _HEADINGS),
        "rows": "".join(_row(estimate, i) for i in range(len(estimate.kernels))),
        "facts": "".join(
            f"<tr><td>{escape(n)}</td><td></td><td>{escape(v)}</td></tr>" for n, v in facts(estimate, rate)
        ),
        "data": _data(estimate),
    }
    template = (files(__package__) / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _tiles(estimate: Estimate, rate: float | None) -> Iterator[str]:
    shown = [
        (f"{number(estimate.samples_per_second)}/s", "samples, estimated"),
        (number(estimate.delta_t), "cycles per sample (delta_t)"),
        (BINDS[estimate.bound], f"limits it: {limiter(estimate)}"),
        (f"{estimate.replicas:,}", _counted(estimate)),
        (f"{estimate.fabric_utilization:.2%}", f"of the cores are active: {estimate.active_cores:,}"),
        (f"{estimate.balance:.0%}", "of their time they are busy"),
        (size(estimate.held_bytes), f"of {size(estimate.room_bytes)} SRAM"),
        (f"{size(estimate.input_bytes_per_second)}/s", "of input needed"),
    ]
    if rate is not None:
        shown.append((f"{estimate.workers(rate):,}", f"workers at {number(rate)} samples/s each"))
    for value, text in shown:
        yield f'<div class="tile"><b>{escape(value)}</b><span>{escape(text)}</span></div>'


def _counted(estimate: Estimate) -> str:
    kernels = len(estimate.kernels)
    return f"replica{'s' * (estimate.replicas != 1)} of {kernels:,} kernel{'s' * (kernels != 1)}"


def _map_text(estimate: Estimate) -> str:
    if estimate.strategy == WEIGHT_STREAMING:
        return "Each layer has the whole fabric in turn, so there is no placement to draw."
    return (
        "Each kernel is a rectangle of cores, coloured by the share of time it is busy. Point at one for its numbers."
    )


def _stages_text(estimate: Estimate) -> str:
    if estimate.strategy == WEIGHT_STREAMING:
        parts = estimate.batch.micro_batches
        through = f"A batch goes through in {parts} parts" if parts > 1 else "A batch goes through as a whole"
        return f"{through}. A bar is a layer's turn per sample: its work, or its weights' way over the link."
    interval = number(estimate.batch.interval)
    return f"A sample comes every {interval} cycles: the slowest kernel's time. A bar is a kernel's cycles per sample."


def _bounds(estimate: Estimate) -> Iterator[str]:
    there = {kernel.bound for kernel in estimate.kernels}
    for bound, text in BINDS.items():
        if bound in there:
            yield f'<span><i class="{bound}"></i>limited by {escape(text)}</span>'


def _row(estimate: Estimate, i: int) -> str:
    kernel = estimate.kernels[i]
    cells = [
        ("", kernel.name),
        ("", kernel.kind),
        ("", kernel.source or "-"),
        (str(kernel.cores), f"{kernel.cores:,}"),
        (f"{kernel.turn:.6g}", number(kernel.turn)),
        ("", BINDS[kernel.bound]),
        (f"{kernel.busy:.4f}", f"{kernel.busy:.0%}"),
        (f"{kernel.utilisation:.4f}", f"{kernel.utilisation:.0%}"),
        (f"{kernel.held_bytes / kernel.room_bytes:.4f}", f"{kernel.held_bytes / kernel.room_bytes:.0%}"),
        (str(kernel.in_flight), str(kernel.in_flight)),
    ]
    text = "".join(_cell(value, shown) for value, shown in cells)
    return f"<tr{drawing.marked(estimate, kernel)}>{text}</tr>\n"


def _cell(value: str, shown: str) -> str:
    """A cell; `value`: what it is sorted by, where that is not its text."""
    return f'<td data-v="{value}">{escape(shown)}</td>' if value else f"<td>{escape(shown)}</td>"


def _data(estimate: Estimate) -> str:
    """What hovering shows, as JSON that cannot end the script element it lies in."""
    kernels = [{"title": k.name, "values": _values(k), "at": _at(k)} for k in estimate.kernels]
    text = json.dumps({"labels": _LABELS, "kernels": kernels}, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _values(kernel: KernelEstimate) -> list[str]:
    r = kernel.rectangle
    return [
        kernel.source,
        kernel.kind,
        f"{kernel.cores:,}",
        "" if r is None else f"{r.width} x {r.height} at {r.x}, {r.y}",
        number(kernel.turn),
        number(kernel.forward),
        number(kernel.backward) if kernel.backward else "",
        BINDS[kernel.bound],
        f"{kernel.busy:.1%}",
        f"{kernel.utilisation:.1%}",
        f"{size(kernel.held_bytes)}, {kernel.held_bytes / kernel.room_bytes:.0%}",
        f"{kernel.in_flight} samples",
    ]


def _at(kernel: KernelEstimate) -> list[int]:
    r = kernel.rectangle
    return [] if r is None else [r.x, r.y, r.width, r.height]
