"""Where every stream is once a run has made so many steps: for a run that goes on with another number of streams."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.plan import StreamPlan
from streamer.turns import Turns
from wire.cursor import Cursor
from wire.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream is. cursor: of its next batch. samples, batches: those before it, since step 0."""

    cursor: Cursor
    samples: int
    batches: int


def positions_at(plan: StreamPlan, step: int) -> list[Position]:
    """Every stream's position, by stream, as if the run had had the plan's streams from step 0. Pure arithmetic.

    step: global steps whose batches were taken, 0 .. plan.total_steps. Raises InvalidInput for one beyond the end.
    """
    if step < 0 or (plan.total_steps is not None and step > plan.total_steps):
        raise InvalidInput(
            f"this run has no step {step:,}: it ends after {plan.total_steps or 0:,}",
            fix="go on with the data, batch_size and number of epochs of the run that the checkpoint is from",
        )
    return [_position(plan, stream, step) for stream in range(plan.streams)]


def _position(plan: StreamPlan, stream: int, step: int) -> Position:
    turns = plan.turns(stream)
    batches = max(0, -(-(step - turns.turn) // turns.turns))
    missing = plan.steps_per_epoch * plan.batch_size - plan.rows
    short = _last_ones(plan, turns, step) if missing > 0 else 0
    return Position(plan.cursor_from(stream, step), batches * plan.replica_batch - short * missing, batches)


def _last_ones(plan: StreamPlan, turns: Turns, step: int) -> int:
    """How many of the epochs that ended before a global step ended with a batch of this stream.

    Whose turn an epoch's last step is repeats after `turns.turns` epochs.
    """
    owned = [epoch for epoch in range(turns.turns) if turns.owns((epoch + 1) * plan.steps_per_epoch - 1)]
    rounds, left = divmod(step // plan.steps_per_epoch, turns.turns)
    return rounds * len(owned) + sum(epoch < left for epoch in owned)
