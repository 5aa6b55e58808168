"""A run in this process: how it goes on, and each way in which it ends."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.wafer_sim.run.conftest import ROWS, Bench, Feeder, batch_of, feed
from wafer_sim import checkpoints
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.losses import LossesRead
from wafer_sim.run import train
from wafer_sim.runtime import torch_executor
from wafer_sim.runtime.torch_executor import TorchExecutor
from wire.cursor import Cursor
from wire.errors import Exhausted, InvalidInput, NotFound, Refused, Unreachable
from wire.observed import observed_from
from wire.v1 import run_pb2


def same(left: Any, right: Any) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)


def test_a_run_takes_its_steps_and_leaves_one_checkpoint(bench: Bench) -> None:
    """The checkpoint holds the weights, and of every stream the cursor, samples and batches of 8 steps."""
    finished = bench.live()
    assert (finished.progress.step, finished.progress.samples, finished.stopped) == (8, 8 * ROWS, False)
    assert math.isfinite(finished.progress.loss)
    saved = bench.saved(8)
    assert [p.cursor for p in saved.streams] == [Cursor(0, 0, 4), Cursor(1, 0, 4)]
    assert [(p.samples, p.batches) for p in saved.streams] == [(16, 4), (16, 4)]
    assert not same(saved.state.weights, bench.weights)


def test_a_run_in_two_parts_ends_with_the_same_bits(bench: Bench, tmp_path: Any, traced: Any) -> None:
    """Stopped after an odd number of steps and resumed, it takes the batches that are due and no other."""
    bench.live(max_steps=5)
    assert [p.cursor.sequence for p in bench.saved(5).streams] == [3, 2]
    assert bench.live(max_steps=8).progress.samples == 3 * ROWS
    whole = Bench(tmp_path / "whole", *traced)
    whole.live()
    assert same(bench.saved(8).state.weights, whole.saved(8).state.weights)
    assert same(bench.saved(8).state.optimizer, whole.saved(8).state.optimizer)


def test_checkpoints_come_at_their_steps_and_the_oldest_go(bench: Bench) -> None:
    """Every third step and the last; the two newest are kept, and each is told once."""
    bench.live(checkpoint_steps=3, keep_checkpoint_max=2)
    assert bench.steps() == [6, 8]
    assert [event.saved.step for event in bench.events("saved")] == [3, 6, 8]


def test_the_losses_of_logged_steps_are_left(bench: Bench) -> None:
    """Each is there before anybody hears of its step; a run that goes on adds to them."""
    written, told = LossesRead(bench.model_dir), {}
    for last in (4, 8):
        bench.live(max_steps=last, log_steps=2)
        told |= {event.progress.step: event.progress.loss for event in bench.events("progress")}
    assert [written.at(step) for step in (2, 4, 6, 8)] == [told[step] for step in (2, 4, 6, 8)]
    assert [written.at(step) for step in (1, 3, 5, 7)] == [None] * 4


def test_checkpoints_are_counted_from_where_the_run_says(bench: Bench) -> None:
    """Every second step from step 1 on."""
    bench.live(max_steps=6, checkpoint_steps=2, counted_from=1)
    assert bench.steps() == [0, 3, 5, 6]


def test_two_replicas_take_a_batch_each(bench: Bench) -> None:
    """A step of two replicas moves two streams, and no thread of theirs is left behind."""
    finished = bench.live(batch=lambda s, n: batch_of(s, n, 2), data={"replicas": 2}, max_steps=3)
    assert finished.progress.samples == 3 * ROWS
    assert [p.cursor.sequence for p in bench.saved(3).streams] == [3, 3]
    assert not [t for t in threading.enumerate() if t.name.startswith("replica")]


def steep(stream: int, sequence: int) -> dict[str, Any]:
    """Two batches of which the gradients fit into float32, but not the gradients of a loss scaled by 2^30."""
    batch = batch_of(stream, sequence)
    if (stream, sequence) in ((1, 1), (0, 3)):
        batch["data"] *= np.float32(1e33)
    return batch


SCALED = {
    "loss_scaling_factor": "dynamic",
    "initial_loss_scale": 2.0**30,
    "max_loss_scale": 2.0**30,
    "steps_per_increase": 2,
}


class Straight(torch.nn.Module):
    """One layer and nothing that keeps a large gradient small."""

    def __init__(self) -> None:
        super().__init__()
        self.only = torch.nn.Linear(12, 5)

    def forward(self, data: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.only(data), labels)


def test_a_run_that_died_goes_on_with_its_loss_scale(tmp_path: Any, tracing: Any) -> None:
    """Dead at step 6 and gone on from step 4: the bits, the scale and the skipped steps of a run that did not die."""
    model = Straight()
    program = tracing.trace(model, tracing.samples(ROWS), [ROWS])
    bench, whole = (Bench(tmp_path / name, program, tracing.weights_of(model)) for name in ("died", "whole"))
    section = {"optimizer_type": "adam", "learning_rate": 0.1, **SCALED}
    for each in (bench, whole):
        each.optimizer = OptimizerSpec.from_params(section)
    finished = whole.live(batch=steep)
    assert (finished.progress.skipped_steps, finished.progress.step) == (2, 8)
    with pytest.raises(InvalidInput, match="the input ended after step 6"):
        bench.live(batch=steep, count=3, checkpoint_steps=4)
    assert bench.saved(4).state.scalars["skipped_steps"] == 1
    again = bench.live(batch=steep)
    assert again.progress.skipped_steps == 2
    assert again.progress.loss_scale == finished.progress.loss_scale == bench.saved(8).state.scalars["loss_scale"]
    assert bench.saved(8).state.scalars == whole.saved(8).state.scalars
    assert same(bench.saved(8).state.weights, whole.saved(8).state.weights)
    assert same(bench.saved(8).state.optimizer, whole.saved(8).state.optimizer)


def test_a_loss_that_is_no_number_ends_a_run_with_loss_scaling_too(bench: Bench) -> None:
    """Skipping is for gradients; check_loss_values is for the loss."""
    bench.optimizer = OptimizerSpec.from_params({"optimizer_type": "sgd", "learning_rate": 0.1, **SCALED})
    with pytest.raises(InvalidInput, match="the loss of step 4 is nan"):
        bench.live(batch=poisoned)


def poisoned(stream: int, sequence: int) -> dict[str, Any]:
    """NaN in the data of the fourth step."""
    batch = batch_of(stream, sequence)
    if (stream, sequence) == (1, 1):
        batch["data"][:] = np.nan
    return batch


def test_a_loss_that_is_not_finite_ends_the_run_before_the_weights(bench: Bench) -> None:
    """The error names step, cursor and the last good checkpoint, which stays the last; no thread is left."""
    with pytest.raises(InvalidInput, match="the loss of step 4 is nan") as failed:
        bench.live(batch=poisoned, checkpoint_steps=2)
    assert failed.value.where == "stream 1 epoch 0 batch 1"
    assert "of step 2" in failed.value.fix
    assert bench.steps() == [0, 2]
    assert bench.events("finished") == []


def test_unchecked_losses_do_not_end_the_run(bench: Bench) -> None:
    """With check_loss_values off it goes on, and such a step leaves the weights as they were."""
    assert bench.live(batch=poisoned, check_loss_values=False, checkpoint_steps=1).progress.step == 8
    assert same(bench.saved(3).state.weights, bench.saved(4).state.weights)
    assert not same(bench.saved(4).state.weights, bench.saved(5).state.weights)


def test_an_input_that_ends_early_is_an_error(bench: Bench) -> None:
    """It says after which step, and what to change."""
    with pytest.raises(InvalidInput, match="the input ended after step 6 of 8") as failed:
        bench.live(count=3)
    assert "max_steps" in failed.value.fix


def test_a_stream_that_never_comes_is_named(bench: Bench) -> None:
    """Patience ends, and the error says which stream nobody hosts."""
    with pytest.raises(Unreachable, match=r"stream 0 gave no batch .* no worker hosts it"):
        bench.run(input_timeout=0.01).live()


def test_a_stop_while_it_waits_leaves_a_checkpoint_of_the_last_step(bench: Bench) -> None:
    """The streams have 3 batches each and then nothing comes: told to stop, the run saves step 6."""
    run = bench.run(max_steps=100)
    dry = threading.Event()

    def batch(stream: int, sequence: int) -> dict[str, Any]:
        if sequence == 3:
            dry.set()
            threading.Event().wait(20)
        return batch_of(stream, sequence)

    feed(run, batch=batch)
    stopper = threading.Thread(target=lambda: (dry.wait(20), wait_for_step(run, 6), run.stop()))
    stopper.start()
    run.live()
    stopper.join(20)
    (finished,) = bench.events("finished")
    assert finished.finished.stopped
    assert bench.steps() == [0, 6]


def wait_for_step(run: Any, step: int) -> None:
    """Until so many batches were acked; what it looks at moves with every step."""
    while sum(p.batches for p in run.feed.ledger.positions.values()) < step:
        pass


class Gated(TorchExecutor):
    """Holds the third step until the test lets it go."""

    reached = threading.Event()
    go_on = threading.Event()

    def gradients(self, batch: Any, *, seed: int, step: int, replica: int) -> Any:
        if step == 2:
            Gated.reached.set()
            assert Gated.go_on.wait(20)
        return super().gradients(batch, seed=seed, step=step, replica=replica)


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> type[Gated]:
    monkeypatch.setattr(torch_executor, "TorchExecutor", Gated)
    monkeypatch.setattr(Gated, "reached", threading.Event())
    monkeypatch.setattr(Gated, "go_on", threading.Event())
    return Gated


@pytest.mark.parametrize("fabric", [run_pb2.FABRIC_COMPUTE, run_pb2.FABRIC_SYNTHETIC])
def test_a_stop_while_a_step_computes_finishes_that_step(bench: Bench, gated: type[Gated], fabric: int) -> None:
    """The step in hand is committed; a computing run saves it, a synthetic one has nothing to save."""
    run = bench.run(fabric=fabric)
    feed(run)
    alive = threading.Thread(target=run.live)
    alive.start()
    assert gated.reached.wait(20)
    run.stop()
    gated.go_on.set()
    alive.join(20)
    (finished,) = bench.events("finished")
    assert (finished.finished.progress.step, finished.finished.stopped) == (3, True)
    assert bench.steps() == ([0, 3] if fabric == run_pb2.FABRIC_COMPUTE else [0])


@pytest.mark.parametrize("fabric", [run_pb2.FABRIC_COMPUTE, run_pb2.FABRIC_SYNTHETIC])
@pytest.mark.parametrize("max_steps", [3, 8])
def test_a_failure_ordered_from_outside_ends_the_run_as_failed_only(
    bench: Bench, gated: type[Gated], fabric: int, max_steps: int
) -> None:
    """Also in its last step, and when it takes nothing from the streams: no word of success, no checkpoint."""
    run = bench.run(fabric=fabric, max_steps=max_steps)
    feed(run)
    raised: list[BaseException] = []

    def live() -> None:
        try:
            run.live()
        except InvalidInput as error:
            raised.append(error)

    alive = threading.Thread(target=live)
    alive.start()
    assert gated.reached.wait(20)
    fault = InvalidInput("worker w cannot go on")
    run.fail(fault)
    gated.go_on.set()
    alive.join(20)
    assert raised == [fault]
    assert bench.events("finished") == []
    assert bench.steps() == [0]


def test_a_stop_before_the_first_step_saves_nothing_and_says_so(bench: Bench) -> None:
    """A run that is told to stop while it is programmed ends at once."""
    run = bench.run()
    run.stop()
    run.live()
    (finished,) = bench.events("finished")
    assert (finished.finished.progress.step, finished.finished.stopped) == (0, True)
    assert bench.steps() == [0]


def test_a_checkpoint_that_cannot_be_written_is_the_runs_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is raised, not reported as a finished run."""

    def full(*_: Any, **__: Any) -> None:
        raise Exhausted("the disk is full")

    monkeypatch.setattr(train.checkpoints, "write", full)
    with pytest.raises(Exhausted):
        bench.live()
    assert bench.events("finished") == []


def test_a_state_from_elsewhere_starts_every_stream(bench: Bench) -> None:
    """A checkpoint of a later step that no stream has fed goes on with its step, and with the data's begin."""
    held = checkpoints.read(bench.model_dir / "checkpoint_0")
    checkpoints.write(bench.model_dir, replace(held, step=5, streams=()))
    assert bench.live(max_steps=7).progress.step == 7
    written = checkpoints.read(bench.model_dir / "checkpoint_7")
    assert sum(position.batches for position in written.streams) == 2


def test_another_number_of_streams_is_refused_on_resume(bench: Bench) -> None:
    """Positions of two streams do not fit three, and the error says which number does."""
    bench.live()
    with pytest.raises(Refused, match="has 2 streams, this run has 3") as refused:
        bench.run(data={"streams": 3}, max_steps=9)
    assert "num_streams to 2" in refused.value.fix


def test_a_fresh_start_begins_at_step_0_with_the_weights_of_a_checkpoint(bench: Bench) -> None:
    """Steps, streams and optimizer start anew, also on another number of streams."""
    bench.live()
    run = bench.run(data={"streams": 3}, fresh_start=True, max_steps=4)
    feed(run)
    run.live()
    (finished,) = bench.events("finished")
    assert finished.finished.progress.step == 4
    assert [p.cursor.sequence for p in bench.saved(4).streams] == [2, 1, 1]


def test_a_model_dir_without_a_checkpoint_is_named(bench: Bench, tmp_path: Any) -> None:
    """The service must see what run.py wrote; it says where it looked."""
    with pytest.raises(NotFound) as missing:
        bench.run(model_dir=str(tmp_path / "elsewhere"))
    assert missing.value.where == str(tmp_path / "elsewhere")


def test_a_batch_size_that_was_not_compiled_is_refused(bench: Bench) -> None:
    """The graphs that there are stand in the error."""
    with pytest.raises(Refused, match="the executable has no graph"):
        bench.run(data={"batch_size": 3})


def test_drain_takes_every_batch_and_computes_nothing(bench: Bench) -> None:
    """The streams move on, the weights do not, and no checkpoint says otherwise."""
    finished = bench.live(fabric=run_pb2.FABRIC_DRAIN, max_steps=50)
    assert (finished.progress.step, finished.progress.samples) == (50, 50 * ROWS)
    assert math.isnan(finished.progress.loss)
    assert [p.next.sequence for p in finished.progress.streams] == [25, 25]
    assert bench.steps() == [0]


def test_synthetic_uses_its_first_batch_again_and_again(bench: Bench) -> None:
    """One batch a stream's turn is enough for any number of steps, and none of them waits."""
    finished = bench.live(count=1, fabric=run_pb2.FABRIC_SYNTHETIC, max_steps=30)
    assert (finished.progress.step, finished.progress.samples) == (30, 30 * ROWS)
    assert finished.progress.stall_seconds == 0
    assert bench.steps() == [0]


def evaluate(bench: Bench, rows: dict[int, list[int]], **changes: Any) -> run_pb2.Finished:
    """An evaluation over batches of these rows: stream -> rows of each of its batches."""
    run = bench.run(mode=run_pb2.MODE_EVAL, max_steps=0, optimizer="", **changes)
    for stream, sizes in rows.items():
        Feeder(run, stream, len(sizes), lambda s, n: batch_of(s, n, rows[s][n]))
    run.live()
    return bench.events("finished")[-1].finished


def test_an_evaluation_weighs_every_sample_once(bench: Bench) -> None:
    """Five batches, the last one smaller: the loss is the mean over 18 samples, not over five batches."""
    finished = evaluate(bench, {0: [4, 4, 2], 1: [4, 4]})
    executor = TorchExecutor(bench.program, bench.weights)
    batches = [batch_of(0, 0), batch_of(1, 0), batch_of(0, 1), batch_of(1, 1), batch_of(0, 2, 2)]
    sums = [executor.evaluate([batch["data"], batch["labels"]]) for batch in batches]
    assert finished.progress.samples == 18
    assert finished.progress.loss == pytest.approx(sum(s["loss"] for s in sums) / 18, rel=1e-6)
    assert not finished.stopped


def test_an_evaluation_ends_after_max_steps(bench: Bench) -> None:
    """It is then complete, not stopped."""
    run = bench.run(mode=run_pb2.MODE_EVAL, max_steps=3, optimizer="")
    feed(run)
    run.live()
    (finished,) = bench.events("finished")
    assert (finished.finished.progress.samples, finished.finished.stopped) == (3 * ROWS, False)


def test_an_evaluation_tells_the_loss_of_each_batch(bench: Bench) -> None:
    """With summary_steps every so many batches are told with their own loss, as well as the average at the end."""
    finished = evaluate(bench, {0: [4, 4], 1: [4, 4]}, summary_steps=2)
    told = [event.observed for event in bench.events("observed")]
    executor = TorchExecutor(bench.program, bench.weights)
    losses = [executor.evaluate([b["data"], b["labels"]])["loss"] / 4 for b in (batch_of(1, 0), batch_of(1, 1))]
    assert [each.step for each in told] == [2, 4]
    assert [float(observed_from(each)["loss"]) for each in told] == pytest.approx(losses, rel=1e-6)
    assert finished.progress.samples == 16


def test_an_evaluation_of_nothing_is_an_error(bench: Bench) -> None:
    """An average over no sample is not reported as a result."""
    with pytest.raises(InvalidInput, match="no batch"):
        evaluate(bench, {0: [], 1: []})


def test_a_streamed_run_is_another_way_to_the_same_checkpoint(bench: Bench, tmp_path: Any, traced: Any) -> None:
    """Weights outside, and back inside for the steps after a resume: losses, weights and optimizer state are equal."""
    whole = Bench(tmp_path / "whole", *traced)
    ends = [whole.live(max_steps=8).progress.loss]
    bench.live(max_steps=5, weight_streaming=True)
    ends.append(bench.live(max_steps=8).progress.loss)
    assert ends[0] == ends[1]
    assert same(bench.saved(8).state.weights, whole.saved(8).state.weights)
    assert same(bench.saved(8).state.optimizer, whole.saved(8).state.optimizer)
    assert not [path for path in bench.model_dir.iterdir() if path.name.startswith("tmp")]


def test_a_run_may_use_less_than_the_wafer_has(bench: Bench) -> None:
    """The smaller one of its own bound and of the wafer's holds."""
    with pytest.raises(Refused, match="the wafer has 1 kB"):
        bench.run(wafer_memory=1000)
    bench.run(wafer_memory=10**9)
