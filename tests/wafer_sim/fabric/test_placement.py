"""Placement: rectangles that never overlap or leave the fabric, and memory that holds."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.wafer_sim.fabric.works import chain, works
from wafer_sim.fabric.cost import best_cores, least_cores, load_of, rows
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.packing import Item, Rectangle, pack
from wafer_sim.fabric.published import BERT_LARGE
from wafer_sim.fabric.result import Estimate
from wafer_sim.fabric.work import Work
from wire.errors import Exhausted

SMALL = load("small")


def placed(found: Estimate) -> list[Rectangle]:
    """All rectangles of all replicas."""
    kernels = [kernel.rectangle for kernel in found.kernels if kernel.rectangle is not None]
    return [rectangle.moved(x, y) for x, y in found.corners for rectangle in kernels]


def holds(found: Estimate) -> None:
    """What is true of every placement."""
    rectangles = placed(found)
    assert len(rectangles) == len(found.kernels) * found.replicas
    assert not any(a.meets(b) for a, b in itertools.combinations(rectangles, 2))
    width, height = found.grid
    assert all(min(r.x, r.y) >= 0 and r.x + r.width <= width and r.y + r.height <= height for r in rectangles)
    assert all(kernel.held_bytes <= kernel.room_bytes for kernel in found.kernels)
    assert max(kernel.cycles for kernel in found.kernels) <= found.batch.interval * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(works())
def test_no_two_rectangles_overlap_none_leaves_the_fabric_and_memory_holds(work: Work) -> None:
    """Random works are placed rightly, or refused because they are too large."""
    try:
        found = estimate(work, SMALL)
    except Exhausted as error:
        assert "MiB on the fabric" in error.what
    else:
        holds(found)


@settings(max_examples=15, deadline=None)
@given(works(most=4))
def test_replicas_lie_side_by_side_and_are_never_slower_than_one(work: Work) -> None:
    """As many replicas as help: placed rightly, and at least as fast as one."""
    try:
        one = estimate(work, SMALL)
    except Exhausted:
        return
    found = estimate(work, SMALL, replicas=None)
    holds(found)
    assert found.samples_per_second >= one.samples_per_second * (1 - 1e-9)


def test_a_large_model_fills_the_wafer() -> None:
    """BERT-Large has nine tenths of the speed that its arithmetic, spread evenly over all cores, would have."""
    found = estimate(BERT_LARGE, load())
    holds(found)
    assert found.placement_ratio > 0.9
    assert found.fabric_utilization * found.balance > 0.9


def test_samples_that_come_whole_keep_more_in_flight_and_still_fit() -> None:
    """Where no kernel can begin before all of a sample is there, many are under way; memory holds, it is slower."""
    whole = replace(BERT_LARGE, kernels=tuple(replace(kernel, parts=1) for kernel in BERT_LARGE.kernels))
    found, in_parts = estimate(whole, load()), estimate(BERT_LARGE, load())
    holds(found)
    assert max(each.in_flight for each in found.kernels) > 2 * max(each.in_flight for each in in_parts.kernels)
    assert in_parts.samples_per_second / 2 < found.samples_per_second < in_parts.samples_per_second


def test_the_slowest_kernel_is_as_fast_as_more_cores_would_make_it() -> None:
    """A kernel alone on a large wafer is within two hundredths of the fastest square there is."""
    work = chain(1, macs=40_000, backward_macs=80_000, most_cores=100_000)
    weight = load_of(work.kernels[0], work, load())
    best = best_cores(weight, load().area)
    fastest = min(weight.service(side, side) for side in range(1, 300))
    assert weight.service(best**0.5, best**0.5) == pytest.approx(fastest, rel=0.01)
    assert estimate(work, load()).batch.interval <= fastest * 1.02


def test_equal_kernels_get_equal_cores_and_a_heavy_one_gets_more() -> None:
    """Cores go where the work is, so that the kernels take about the same time."""
    found = estimate(chain(4, most_cores=100_000), load("small"))
    cores = [kernel.cores for kernel in found.kernels]
    assert max(cores) <= 1.2 * min(cores)
    assert found.balance > 0.9


def test_the_least_height_and_the_least_cores_are_the_least() -> None:
    """What bisection finds is what trying every number finds."""
    work = chain(1)
    weight = load_of(work.kernels[0], work, SMALL)
    for target in (400.0, 700.0, 2_000.0):
        fast = [h for h in range(1, 33) if weight.service(10, h) <= target]
        assert rows(weight, 10, target, 32) == (fast[0] if fast else None)
        few = [c for c in range(1, 769) if weight.service(c**0.5, c**0.5) <= target]
        assert least_cores(weight, target, 768) == (few[0] if few else None)


def test_packing_says_when_there_is_no_room() -> None:
    """Items that need more than the grid are not packed; as many as fit are, exactly."""

    def item(cores: int) -> Item:
        return Item(cores, lambda side: -(-cores // side))

    assert pack([item(16)] * 4, 8, 8) is not None
    assert pack([item(16)] * 5, 8, 8) is None
    assert pack([item(1)] * 64, 8, 8) is not None
