"""Shard: of a sequential source's batches those whose turn is this stream's. An indexed one is sharded by its plan."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamer.stages.repeat import RepeatSequential
from streamer.turns import Turns
from wire.cursor import Cursor
from wire.elements import Batch
from wire.errors import InvalidInput

log = logging.getLogger(__name__)

_PROGRESS = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch of a global step that is this stream's to feed: where it is and where the stream goes on."""

    cursor: Cursor
    following: Cursor
    batch: Batch


class ShardSequential:
    """A Stage[Turn]: batch n of the run is step n, and the streams of a replica take the steps in turn.

    It resumes by walking to the cursor. A batch is given when the next one is known, for only then is it known
    where the stream goes on.
    """

    def __init__(self, steps: RepeatSequential, turns: Turns, cursor: Cursor) -> None:
        self._steps, self._turns = steps, turns
        self._epoch = self._taken = 0
        self._ahead: tuple[Cursor, Batch] | None = None
        self._position: Cursor = cursor
        self._started = False

    @property
    def position(self) -> Cursor:
        return self._position

    def reset(self, cursor: Cursor) -> None:
        self._position, self._started = cursor, False

    def next(self) -> Turn | None:
        """Raises InvalidInput where the loader does, and for a cursor that its epoch does not have."""
        if not self._started:
            self._replay(self._position)
        if self._ahead is None:
            return None
        cursor, batch = self._ahead
        self._ahead = self._own()
        self._position = self._ahead[0] if self._ahead else Cursor(cursor.stream, self._epoch + 1)
        return Turn(cursor, self._position, batch)

    def close(self) -> None:
        self._steps.close()

    def _replay(self, target: Cursor) -> None:
        """Walk to the batch at a cursor, or to the stream's first one after the start of the cursor's epoch."""
        self._epoch, self._taken = target.epoch, 0
        self._steps.start(target.epoch, numbered=self._turns.turns > 1)
        self._ahead = self._own()
        while self._ahead is not None and self._ahead[0] < target:
            if self._ahead[0].sequence % _PROGRESS == 0:
                log.info("walking to %s: now at %s", target, self._ahead[0])
            self._ahead = self._own()
        if self._ahead is not None and target.sequence and self._ahead[0] != target:
            raise InvalidInput(
                f"there is no {target}: the loader has fewer batches in that epoch",
                fix="resume with the data and batch_size of the run that this cursor is from",
            )
        self._position = self._ahead[0] if self._ahead else target
        self._started = True

    def _own(self) -> tuple[Cursor, Batch] | None:
        while (step := self._steps.next()) is not None:
            if step.epoch != self._epoch:
                self._epoch, self._taken = step.epoch, 0
            if self._turns.owns(step.number):
                self._taken += 1
                return Cursor(self._turns.stream, step.epoch, self._taken - 1), step.batch
        return None
