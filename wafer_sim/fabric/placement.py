"""Kernels on the grid: rectangles without overlap such that the slowest kernel is as fast as possible."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_sim.fabric.cost import rows
from wafer_sim.fabric.packing import Item, Rectangle, pack
from wafer_sim.fabric.sizing import ONE_CYCLE, SLACK, Needs, Sizing
from wafer_sim.fabric.timing import holding, times
from wafer_sim.fabric.work import TRAINING

_FINE = 0.003  # of the interval: how closely the least one is looked for
_STEP = 0.005  # of the interval, where no place was found; after more tries, longer steps
_STRIDE = 8
_DOUBLINGS = 24  # slower than this, what does not fit will not fit
_TRIES = 60
_LATER = 4


@dataclass(frozen=True, slots=True)
class Placed:
    """One replica at the origin. By kernel: its rectangle, and the cycles of its phases there; samples in flight
    through it and the bytes it holds. interval: cycles from one sample to the next; latency: of one sample."""

    rectangles: tuple[Rectangle, ...]
    forward: tuple[float, ...]
    backward: tuple[float, ...]
    interval: float
    latency: float
    in_flight: tuple[int, ...]
    held: tuple[int, ...]

    @property
    def width(self) -> int:
        """Of the box around the rectangles."""
        return max(rectangle.x + rectangle.width for rectangle in self.rectangles)

    @property
    def height(self) -> int:
        """Of the box around the rectangles."""
        return max(rectangle.y + rectangle.height for rectangle in self.rectangles)


def place(sizing: Sizing, width: int, height: int) -> Placed | None:
    """One replica within width x height cores; None where it does not fit."""
    interval = quickest(sizing, width * height)
    if interval is None:
        return None
    for tried in range(_TRIES):
        needs = sizing.needs(interval, width * height)
        if needs is not None and (found := _packed(sizing, needs, width, height, interval)) is not None:
            return found
        interval *= 1 + _STEP * (1 + tried / _STRIDE)
    return None


def quickest(sizing: Sizing, area: int) -> float | None:
    """The least interval for which the kernels' needs are no more than so many cores, shapes aside; None: none is."""
    if sizing.least() > area:
        return None
    low = high = sizing.fastest(area)
    for _ in range(_DOUBLINGS):
        if sizing.needs(high, area) is not None:
            break
        low, high = high, high * 2
    else:
        return None
    while high - low > _FINE * low:
        middle = (low + high) / 2
        low, high = (low, middle) if sizing.needs(middle, area) is not None else (middle, high)
    return high


def _packed(sizing: Sizing, needs: Needs, width: int, height: int, interval: float) -> Placed | None:
    items = [_item(sizing, needs, i, max(width, height)) for i in range(len(needs.cores))]
    rectangles = pack(items, width, height)
    return None if rectangles is None else _timed(sizing, rectangles, interval)


def _item(sizing: Sizing, needs: Needs, i: int, longest: int) -> Item:
    load = sizing.loads[i]

    def other_side(side: int) -> int | None:
        least = rows(load, side, needs.target, longest)
        if least is None:
            return None
        for cores in (max(needs.held[i], needs.amply[i]), needs.held[i]):
            other = max(least, -(-cores // side))
            if load.service(side, other) <= needs.target:
                return other
        return None

    return Item(needs.cores[i], other_side)


def _timed(sizing: Sizing, rectangles: list[Rectangle], interval: float) -> Placed | None:
    """The placement with its own cycles; None where a kernel would then hold more than its cores have room for."""
    phases = [load.phases(r.width, r.height) for load, r in zip(sizing.loads, rectangles, strict=True)]
    forward, backward = tuple(f for f, _ in phases), tuple(b for _, b in phases)
    slowest = max(ONE_CYCLE, *(f + b for f, b in phases))
    for pace in (slowest, *(max(slowest, interval) * (1 + SLACK * n) for n in range(_LATER))):
        held = sizing.held(forward, backward, pace)
        if all(size <= r.cores * sizing.machine.room for size, r in zip(held, rectangles, strict=True)):
            back = backward if sizing.work.mode == TRAINING else ()
            flying = holding(sizing.work, forward, back).in_flight(pace, sizing.work)
            latency = times(sizing.work, forward, back).latency
            return Placed(tuple(rectangles), forward, backward, pace, latency, flying, held)
    return None
