"""A worker freezes in the middle of a run: its stream is told as late, hosted elsewhere, and the bits are the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.wafer_sim.run.conftest import Bench, Feeder, batch_of
from wafer_sim.ingest import merge, patience
from wafer_sim.run.board import Board
from wire.errors import StaleLease, Unreachable


class Moving:
    """What a coordinator does: a stream that is late is hosted by another worker."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[tuple[int, str, float]] = []
        self.run: Any = None
        said = Board.late

        def late(board: Board, stream: int, worker: str, seconds: float) -> None:
            said(board, stream, worker, seconds)
            self.told.append((stream, worker, seconds))
            if self.run is not None:
                Feeder(self.run, stream, 1000, batch_of, lease=1 + len(self.told))

        monkeypatch.setattr(Board, "late", late)


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Moving:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.2)
    monkeypatch.setattr(patience, "LEAST_SECONDS", 0.2)
    monkeypatch.setattr(merge, "SLICE_SECONDS", 0.02)
    return Moving(monkeypatch)


def frozen_at(sequence: int, thaw: threading.Event, stream: int = 0) -> Any:
    """Batches of which one comes only when the worker thaws."""

    def batch(of: int, number: int) -> dict[str, Any]:
        if (of, number) == (stream, sequence):
            thaw.wait(20)
        return batch_of(of, number)

    return batch


def test_a_frozen_worker_is_replaced_and_the_bits_stay(
    bench: Bench, moving: Moving, tmp_path: Any, traced: Any
) -> None:
    """Late is told with stream and worker; when the worker wakes its frames are refused; its cost is a stall apart."""
    thaw = threading.Event()
    run = moving.run = bench.run()
    feeders = [Feeder(run, stream, 1000, frozen_at(2, thaw)) for stream in (0, 1)]
    run.live()
    late = [event.late for event in bench.events("late")]
    assert [(each.stream, each.worker) for each in late] == [(0, "feeder-0-1")]
    assert late[0].seconds >= 0.2
    progress = bench.events("finished")[-1].finished.progress
    stalls = {stall.seam: stall.seconds for stall in progress.stalls}
    assert 0.2 <= stalls["late"] <= progress.stall_seconds
    assert sum(stalls.values()) == pytest.approx(progress.stall_seconds)
    thaw.set()
    feeders[0].join(20)
    with pytest.raises(StaleLease):
        run.feed.ports[0].enter(1, "feeder-0-1")
    whole = Bench(tmp_path / "whole", *traced)
    whole.live()
    weights, undisturbed = bench.saved(8).state.weights, whole.saved(8).state.weights
    assert all(weights[name].tobytes() == undisturbed[name].tobytes() for name in undisturbed)
    assert bench.saved(8).streams == whole.saved(8).streams


def test_one_worker_that_feeds_everything_slowly_is_not_blamed(bench: Bench, moving: Moving) -> None:
    """All streams are of one worker and none has a batch: a stall, no late stream; it is bounded by input_timeout."""
    run = bench.run(input_timeout=0.6)
    for stream in (0, 1):
        run.feed.ports[stream].enter(1, "the only one")
    with pytest.raises(Unreachable, match=r"stream 0 gave no batch .*; worker the only one hosts it"):
        run.live()
    assert moving.told == []
