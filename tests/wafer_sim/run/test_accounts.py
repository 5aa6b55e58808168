"""What a run keeps account of: over a resume, other streams, steps passed over, bad samples, a damaged checkpoint."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.wafer_sim.run.conftest import ROWS, Bench, batch_of, feed
from wafer_sim.accounts import SkippedRange, totals
from wafer_sim.checkpoints import WEIGHTS
from wire.codec import BadSample, cursor_message
from wire.cursor import Cursor
from wire.errors import InvalidInput, Refused
from wire.v1 import run_pb2

ALL = 80
"""Rows of the source: ten steps of two streams' batches in turn."""


def numbered(stream: int, sequence: int) -> dict[str, Any]:
    """Row numbers such that step n takes rows 4 n .. 4 n + 3, whatever the number of streams is."""
    return rows_of_step(2 * sequence + stream)


def rows_of_step(step: int) -> dict[str, Any]:
    return {"digests": (step,), "row_numbers": np.arange(ROWS * step, ROWS * (step + 1)), "loader_state": b"s%d" % step}


def same(left: Any, right: Any) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)


def skip(*ranges: tuple[int, int]) -> list[run_pb2.Skip]:
    return [run_pb2.Skip(first=first, last=last) for first, last in ranges]


def test_the_accounts_of_two_parts_are_those_of_the_whole(bench: Bench, tmp_path: Any, traced: Any) -> None:
    """Positions with digests and histories, rows, all as of a run that was not interrupted."""
    for steps in (3, 8):
        bench.live(account=numbered, max_steps=steps, data={"rows": ALL})
    whole = Bench(tmp_path / "whole", *traced)
    whole.live(account=numbered, data={"rows": ALL})
    assert bench.saved(8).streams == whole.saved(8).streams
    parts, undisturbed = bench.saved(8).accounts, whole.saved(8).accounts
    assert str(parts) == str(undisturbed)
    assert (totals(parts.epochs).taken, totals(parts.epochs).twice) == (8 * ROWS, 0)
    state = bench.saved(8).streams[0].loader_state
    assert (state.at, state.state) == (Cursor(0, 0, 4), b"s6")


def test_the_first_host_after_a_resume_is_told_the_ledgers_history(bench: Bench) -> None:
    """So that a loader that is replayed can be compared with what was trained on."""
    bench.live(account=numbered, max_steps=5)
    left = bench.saved(5).streams[0]
    grant = bench.run(max_steps=8).feed.ports[0].enter(1, "w").grants.get(0)
    assert len(left.history) == 16
    assert (grant.history, grant.loader_state.state) == (left.history, b"s4")


def test_a_run_goes_on_with_other_streams_where_it_is_told(bench: Bench, tmp_path: Any, traced: Any) -> None:
    """Four streams where two were: each row is taken once, and the bits are those of two streams all along."""
    bench.live(account=numbered, max_steps=4, data={"rows": ALL})
    starts = [
        run_pb2.StreamStart(cursor=cursor_message(Cursor(stream, 0, 1)), samples=ROWS, batches=1)
        for stream in (2, 0, 3, 1)
    ]
    run = bench.run(starts=starts, data={"streams": 4, "rows": ALL})
    feed(
        run,
        batch=lambda stream, sequence: batch_of(*reversed(divmod(4 * sequence + stream, 2))),
        account=lambda stream, sequence: rows_of_step(4 * sequence + stream),
    )
    run.live()
    accounts = bench.saved(8).accounts
    assert (totals(accounts.epochs).taken, totals(accounts.epochs).twice, accounts.before) == (8 * ROWS, 0, 0)
    assert [(p.samples, p.batches) for p in bench.saved(8).streams] == [(8, 2)] * 4
    whole = Bench(tmp_path / "whole", *traced)
    whole.live()
    assert same(bench.saved(8).state.weights, whole.saved(8).state.weights)


@pytest.mark.parametrize("streams", [[0], [0, 1, 1], [0, 2]])
def test_starts_are_of_the_runs_streams_each_once(bench: Bench, streams: list[int]) -> None:
    """Anything else is refused before a worker is asked for a batch."""
    bench.live(max_steps=2)
    starts = [run_pb2.StreamStart(cursor=cursor_message(Cursor(stream))) for stream in streams]
    with pytest.raises(Refused, match="the run has 2 streams and starts for"):
        bench.run(starts=starts)


def test_steps_passed_over_are_booked_and_not_trained_on(bench: Bench) -> None:
    """Input steps 3..4 and 6 of eight updates: eleven are taken, the weights are those of the other eight."""
    finished = bench.live(account=numbered, data={"rows": ALL}, skip=skip((3, 4), (6, 6)))
    assert (finished.progress.step, finished.progress.samples) == (8, 8 * ROWS)
    saved = bench.saved(8)
    assert sum(position.batches for position in saved.streams) == 11
    counted = totals(saved.accounts.epochs)
    assert (counted.taken, counted.skipped, counted.twice) == (8 * ROWS, 3 * ROWS, 0)
    assert saved.accounts.skipped == [SkippedRange(3, 4, 2 * ROWS), SkippedRange(6, 6, ROWS)]
    phases = [event.phase for event in bench.events("phase")]
    told = ["passing over input steps 3..4", "running", "passing over input steps 6..6", "running"]
    assert phases[-5:] == ["running", *told]


def test_a_run_with_steps_passed_over_ends_with_the_bits_of_the_others(
    bench: Bench, tmp_path: Any, traced: Any
) -> None:
    """Passing over the first two input steps is to begin with the third batch."""
    bench.live(skip=skip((1, 2)), max_steps=4)
    later = Bench(tmp_path / "later", *traced)
    later.live(batch=lambda stream, sequence: batch_of(stream, sequence + 1), max_steps=4)
    assert same(bench.saved(4).state.weights, later.saved(4).state.weights)


@pytest.mark.parametrize("stopped_at", [2, 3, 5])
def test_what_is_passed_over_does_not_depend_on_a_resume(
    bench: Bench, tmp_path: Any, traced: Any, stopped_at: int
) -> None:
    """Input steps are counted by the ledger: before, inside and after the range, the bits are those of one part."""
    for steps in (stopped_at, 8):
        bench.live(account=numbered, max_steps=steps, skip=skip((3, 5)), data={"rows": ALL})
    whole = Bench(tmp_path / "whole", *traced)
    whole.live(account=numbered, skip=skip((3, 5)), data={"rows": ALL})
    assert same(bench.saved(8).state.weights, whole.saved(8).state.weights)
    assert str(bench.saved(8).accounts) == str(whole.saved(8).accounts)


def test_drain_passes_over_steps_too_and_synthetic_takes_none(bench: Bench) -> None:
    """Drain counts updates it would have made; synthetic repeats its first batch, of whatever step that is."""
    drained = bench.live(fabric=run_pb2.FABRIC_DRAIN, max_steps=10, skip=skip((2, 5)))
    assert (drained.progress.step, sum(p.batches for p in drained.progress.streams)) == (10, 14)
    repeated = bench.live(count=1, fabric=run_pb2.FABRIC_SYNTHETIC, max_steps=10, skip=skip((1, 5)))
    assert repeated.progress.step == 10


def test_a_stop_while_steps_are_passed_over_is_heard_at_once(bench: Bench) -> None:
    """A long range does not hold up who wants to leave; the checkpoint is that of the last update."""
    run = bench.run(skip=skip((3, 10**9)))
    feed(run, count=10**9)
    alive = threading.Thread(target=run.live)
    alive.start()
    while run.feed.input_steps < 20:
        assert alive.is_alive()
    run.stop()
    alive.join(10)
    assert not alive.is_alive()
    (finished,) = bench.events("finished")
    assert (finished.finished.stopped, finished.finished.progress.step) == (True, 2)
    assert bench.steps() == [0, 2]


def bad_at(*steps: int) -> Any:
    """An account whose steps (from 0) have a bad sample each, the last of their batch."""

    def account(stream: int, sequence: int) -> dict[str, Any]:
        step = 2 * sequence + stream
        bad = (BadSample(ROWS - 1, ROWS * step + 3, "a.parquet", "torn"),) if step in steps else ()
        return rows_of_step(step) | {"bad": bad}

    return account


def test_bad_samples_within_the_bounds_are_told_and_booked(bench: Bench) -> None:
    """The run goes on to its end; each is an event with the update that its batch was part of."""
    plan = {"rows": ALL, "bad_samples": run_pb2.BadSamples(in_a_row=1)}
    assert bench.live(account=bad_at(1, 5), data=plan).progress.step == 8
    passed = [event.passed for event in bench.events("passed")]
    assert [(p.step, p.cursor.stream, p.cursor.sequence, p.bad[0].row) for p in passed] == [(2, 1, 0, 7), (6, 1, 2, 23)]
    accounts = bench.saved(8).accounts
    assert (totals(accounts.epochs).bad, totals(accounts.epochs).taken) == (2, 8 * ROWS - 2)
    assert [record.row for record in accounts.bad] == [7, 23]


def test_bad_samples_beyond_the_bounds_end_the_run(bench: Bench) -> None:
    """In a row over batches, with the last one named; the last checkpoint stays."""

    def account(stream: int, sequence: int) -> dict[str, Any]:
        bad = tuple(BadSample(place, place, "a.parquet", "torn") for place in range(ROWS))
        return {"bad": bad if sequence == 2 else ()}

    plan = {"bad_samples": run_pb2.BadSamples(in_a_row=5)}
    with pytest.raises(InvalidInput, match="6 samples in a row are bad; 5 are tolerated") as ended:
        bench.live(account=account, data=plan, checkpoint_steps=2)
    assert "row 1 of a.parquet (torn), stream 1 epoch 0 batch 2" in ended.value.where
    assert bench.steps() == [0, 2, 4]
    assert bench.events("finished") == []


def test_a_run_goes_on_from_its_own_checkpoint(bench: Bench) -> None:
    """A second process of the run starts where the first one saved, whatever checkpoint the run was to start from."""
    bench.live(max_steps=6)
    start = {"run_id": "mine", "checkpoint": str(bench.model_dir / "checkpoint_0"), "fresh_start": True}
    assert bench.live(max_steps=4, **start).progress.samples == 4 * ROWS
    later = bench.live(max_steps=5, **start)
    assert (later.progress.step, later.progress.samples) == (5, ROWS)
    assert bench.saved(5).run == "mine"


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(bench: Bench) -> None:
    """The run goes on from step 4 and ends with the same step; who follows it reads what was passed over."""
    bench.live(max_steps=6, checkpoint_steps=2)
    damaged = bench.model_dir / "checkpoint_6" / WEIGHTS
    damaged.write_bytes(damaged.read_bytes()[:-1])
    finished = bench.live()
    assert (finished.progress.step, finished.progress.samples) == (8, 4 * ROWS)
    first = bench.events("phase")[0].phase
    assert first.startswith("passing over a damaged checkpoint: ")
    assert "checkpoint_6/weights.safetensors" in first
