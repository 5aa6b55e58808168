"""The pictures of the page: kernels on the wafer, and the stages as bars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape

from wafer_sim.fabric.packing import Rectangle
from wafer_sim.fabric.result import Estimate, KernelEstimate
from wafer_sim.fabric.screen import number

_SMALL = 0.3
"""A replica smaller than this, of the wafer's width or height, is drawn a second time, enlarged."""
_NAMED_ROWS = 40
_LETTER = 0.62  # width of a letter, of its height
_LEGIBLE = 1 / 55  # of the picture


def maps(estimate: Estimate) -> Iterator[str]:
    """The whole wafer with all replicas; where they are small, the first one enlarged."""
    width, height = estimate.grid
    box = _box(estimate)
    near = box.width < _SMALL * width or box.height < _SMALL * height
    copies = "".join(f'<use href="#replica" x="{x}" y="{y}"/>' for x, y in estimate.corners[1:])
    outlines = "".join(_outline(box.moved(x, y)) for x, y in estimate.corners)
    inside = f'<g id="replica">{_kernels(estimate, False)}</g>{copies}{outlines if near else ""}'
    copies_text = f"{estimate.replicas:,} replicas" if estimate.replicas > 1 else "one replica"
    text = f"{width} x {height} cores, {copies_text}"
    yield _figure("whole", Rectangle(0, 0, width, height), estimate.corners, inside, text)
    if near:
        text = f"one replica enlarged: {box.width} x {box.height} cores"
        yield _figure("near", box, ((0, 0),), _kernels(estimate, True), text)


def stages(estimate: Estimate) -> str:
    """A bar for each kernel: rows with names where they are few, else columns."""
    longest = max(kernel.turn for kernel in estimate.kernels) or 1.0
    if len(estimate.kernels) <= _NAMED_ROWS:
        return "".join(_bar(estimate, i, longest) for i in range(len(estimate.kernels)))
    columns = "".join(_column(estimate, i, longest) for i in range(len(estimate.kernels)))
    view = f'viewBox="0 0 {len(estimate.kernels)} 100" preserveAspectRatio="none"'
    slowest = f"The slowest is {escape(estimate.bottleneck)}; full height is {number(longest)} cycles."
    picture = f'<svg class="columns" {view} role="img" aria-label="cycles of each kernel">{columns}</svg>'
    return f'{picture}<p class="soft">{slowest}</p>'


def marked(estimate: Estimate, kernel: KernelEstimate, *classes: str) -> str:
    """The class attribute of what stands for a kernel; the slowest one is marked."""
    names = [*classes, *(["slow"] if kernel.name == estimate.bottleneck else [])]
    return f' class="{" ".join(names)}"' if names else ""


def _box(estimate: Estimate) -> Rectangle:
    placed = [kernel.rectangle for kernel in estimate.kernels if kernel.rectangle is not None]
    return Rectangle(0, 0, max(r.x + r.width for r in placed), max(r.y + r.height for r in placed))


def _figure(name: str, view: Rectangle, corners: tuple[tuple[int, int], ...], inside: str, text: str) -> str:
    box = f"{view.x} {view.y} {view.width} {view.height}"
    wafer = f'<rect class="wafer" x="0" y="0" width="{view.width}" height="{view.height}"/>'
    head = (
        f'<svg class="map" viewBox="{box}" data-corners="{json.dumps(corners)}" role="img" aria-label="{escape(text)}">'
    )
    return f'<figure class="{name}">{head}{wafer}{inside}</svg><figcaption>{escape(text)}</figcaption></figure>'


def _kernels(estimate: Estimate, named: bool) -> str:
    ordered = sorted(estimate.kernels, key=lambda kernel: kernel.name == estimate.bottleneck)
    drawn = "".join(_kernel(estimate, kernel) for kernel in ordered)
    names = "".join(_name(kernel, _box(estimate)) for kernel in ordered) if named else ""
    return drawn + names


def _kernel(estimate: Estimate, kernel: KernelEstimate) -> str:
    r = kernel.rectangle
    if r is None:
        return ""
    place = f'x="{r.x}" y="{r.y}" width="{r.width}" height="{r.height}"'
    return f'<rect{marked(estimate, kernel, "k")} {place} style="--u:{kernel.busy:.0%}"/>'


def _name(kernel: KernelEstimate, box: Rectangle) -> str:
    r = kernel.rectangle
    if r is None:
        return ""
    high = min(r.width / (_LETTER * len(kernel.name) + 1), r.height / 2, max(box.width, box.height) / 18)
    if high < max(box.width, box.height) * _LEGIBLE:
        return ""
    place = f'x="{r.x + r.width / 2:g}" y="{r.y + r.height / 2:g}"'
    style = f'font-size="{high:.2f}" stroke-width="{high / 5:.2f}"'
    return f"<text {place} {style}>{escape(kernel.name)}</text>"


def _outline(box: Rectangle) -> str:
    return f'<rect class="box" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"/>'


def _bar(estimate: Estimate, i: int, longest: float) -> str:
    kernel = estimate.kernels[i]
    bar = f'<div class="track"><div class="bar {kernel.bound}" style="width:{kernel.turn / longest:.1%}"></div></div>'
    name = escape(kernel.name) + (" \N{LEFTWARDS ARROW} slowest" if kernel.name == estimate.bottleneck else "")
    cells = f"<span>{name}</span>{bar}<span>{number(kernel.turn)}</span>"
    return f'<div{marked(estimate, kernel, "row")} data-i="{i}">{cells}</div>'


def _column(estimate: Estimate, i: int, longest: float) -> str:
    kernel = estimate.kernels[i]
    high = 100 * kernel.turn / longest
    bar = (
        f'<rect{marked(estimate, kernel, kernel.bound)} x="{i}" y="{100 - high:.2f}" width="0.86" height="{high:.2f}"/>'
    )
    return f'<g data-i="{i}"><rect x="{i}" y="0" width="1" height="100" fill="transparent"/>{bar}</g>'
