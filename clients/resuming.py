"""Going on from a checkpoint: with the same data always, with another number of streams where rows can be found."""

from __future__ import annotations

from clients.input import LoaderInput
from streamer.plan import StreamPlan
from streamer.positions import positions_at
from wafer_sim.checkpoints import Checkpoint
from wire.codec import cursor_message
from wire.errors import InvalidInput, Refused
from wire.v1 import run_pb2

_ANEW = "or start in a new model_dir with --checkpoint_path and --is_pretrained_checkpoint"
_KEYS = {
    "replicas": ("the number of replicas", "runconfig.num_replicas"),
    "batch_size": ("the batch size", "train_input.batch_size"),
    "rows": ("the number of rows", "train_input"),
    "shuffle": ("shuffle", "train_input.shuffle"),
    "seed": ("the seed of the input's order", "runconfig.seed"),
}


def starts(source: LoaderInput, plan: run_pb2.DataPlan, checkpoint: Checkpoint) -> list[run_pb2.StreamStart]:
    """RunSpec.starts: where the streams of `plan` go on, for a run that has other streams than its checkpoint.

    Empty where the checkpoint's own cursors hold: it has as many streams, or nothing was taken yet. What was taken is
    read from the checkpoint's ledger and counts steps of the input, of which some may have been skipped. Raises
    Refused where replicas, batch size or data changed, or a sequential source would need other shards; InvalidInput
    for a checkpoint whose replicas did not take the same number of batches.
    """
    if not checkpoint.streams:
        return []
    _require_same(source, plan, checkpoint)
    before = len(checkpoint.streams)
    if before == plan.streams:
        return []
    if source.rows is None:
        raise Refused(
            f"the checkpoint of step {checkpoint.step} has {before} streams, this run has {plan.streams}; "
            "a loader that is walked from its start cannot be cut anew",
            where="runconfig.num_streams",
            fix=f"set it to {before}, or leave it out, {_ANEW}",
        )
    cut = StreamPlan(source.rows, plan.batch_size, plan.replicas, plan.streams, plan.drop_remainder)
    taken = input_steps(checkpoint, plan.replicas)
    return [
        run_pb2.StreamStart(cursor=cursor_message(at.cursor), samples=at.samples, batches=at.batches)
        for at in positions_at(cut, taken)
    ]


def input_steps(checkpoint: Checkpoint, replicas: int) -> int:
    """Steps of the input that were taken, trained on or skipped. Raises InvalidInput where replicas differ."""
    taken = [0] * replicas
    for position in checkpoint.streams:
        taken[position.cursor.stream % replicas] += position.batches
    if len(set(taken)) > 1:
        raise InvalidInput(
            f"the replicas of the checkpoint of step {checkpoint.step} took {', '.join(map(str, taken))} batches; "
            "every step takes one of each",
            fix="resume from an earlier checkpoint with --checkpoint_path",
        )
    return taken[0]


def _require_same(source: LoaderInput, plan: run_pb2.DataPlan, checkpoint: Checkpoint) -> None:
    now: dict[str, int] = {"replicas": plan.replicas, "batch_size": plan.batch_size}
    if source.rows is not None:  # they say which rows a cursor means
        now |= {"rows": plan.rows, "shuffle": plan.shuffle, "seed": plan.seed}
    for name, value in now.items():
        before = checkpoint.data.get(name, value)
        if before != value:
            what, key = _KEYS[name]
            raise Refused(
                f"{what} was {before} at the checkpoint of step {checkpoint.step} and is {value} now",
                where=key,
                fix=f"go on with {before}, {_ANEW}",
            )
