"""Shard: of a sequential source's batches those whose turn is this stream's. An indexed one is sharded by its plan."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from streamer.columns import slice_batch
from streamer.digests import values_digest
from streamer.loader_state import StateError
from streamer.resume import Mark, Resume
from streamer.stages.repeat import RepeatSequential, Step
from streamer.turns import Turns
from wire.cursor import Cursor
from wire.elements import Batch, rows_of
from wire.errors import Fault, InvalidInput
from wire.history import BEGINNING, history_after

log = logging.getLogger(__name__)

STATE_SECONDS = 0.5
STATE_BATCHES = 100
"""A loader's state goes with an epoch's first batch, and then after so long or so many."""

_PROGRESS_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch of a global step that is this stream's to feed, its replica's part of it.

    cursor, following: where it is and where the stream goes on. mark: a place in the walk, as bytes, from which
    `following` can be reached again; b"" where none was taken.
    """

    cursor: Cursor
    following: Cursor
    batch: Batch
    mark: bytes


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A batch of this stream, drawn from the loader; the mark is the place right behind it."""

    cursor: Cursor
    step: Step
    batch: Batch
    mark: bytes


class ShardSequential:
    """A Stage[Turn]: batch n of the run is step n, and the streams of a replica take the steps in turn.

    It resumes from a mark with the loader's own state, or else by walking the epoch to the cursor, in which case what
    it walks over must be what was taken before. A batch is given when the next one is known, for only then is it
    known where the stream goes on.
    """

    def __init__(self, steps: RepeatSequential, turns: Turns, cursor: Cursor, resume: Resume | None = None) -> None:
        self._steps, self._turns = steps, turns
        self._resume = resume or Resume()
        self._epoch = self._taken = 0
        self._ahead: _Drawn | None = None
        self._position: Cursor = cursor
        self._started = False
        self._marked_at, self._marked = 0.0, 0

    @property
    def position(self) -> Cursor:
        return self._position

    def reset(self, cursor: Cursor) -> None:
        self._position, self._started, self._resume = cursor, False, Resume()

    def next(self) -> Turn | None:
        """Raises InvalidInput where the loader does, for a cursor that its epoch does not have, and for a loader
        whose batches before the cursor are not those that were taken.
        """
        if not self._started:
            self._go_to(self._position)
        if self._ahead is None:
            return None
        drawn = self._ahead
        self._ahead = self._own()
        self._position = self._ahead.cursor if self._ahead else Cursor(drawn.cursor.stream, self._epoch + 1)
        mark = drawn.mark if self._position.epoch == drawn.cursor.epoch else self._beginning()
        return Turn(drawn.cursor, self._position, drawn.batch, mark)

    def interrupt(self) -> None:
        self._steps.interrupt()

    def close(self) -> None:
        self._steps.close()

    def _go_to(self, target: Cursor) -> None:
        """Walk to the batch at a cursor, or to the stream's first one after the start of the cursor's epoch."""
        mark = self._resume.mark(target)
        if mark is not None and mark.loader is not None and not self._steps.source.resumes:
            mark = Mark(mark.first, mark.first, 0)
        self._epoch, self._taken = target.epoch, mark.sequence if mark else 0
        self._steps.start(target.epoch, mark, numbered=self._turns.shared)
        walked = self._walk_to(target)
        known = self._resume.history
        if self._ahead is not None and target.sequence and self._ahead.cursor != target:
            raise InvalidInput(
                f"there is no {target}: the loader has fewer batches in that epoch",
                fix="resume with the data and batch_size of the run that this cursor is from",
            )
        if known != BEGINNING and not (mark and mark.sequence) and walked != known:
            raise _other_batches(target)
        self._position = self._ahead.cursor if self._ahead else target
        self._started = True

    def _walk_to(self, target: Cursor) -> bytes:
        """The history of the batches that were walked over."""
        history, said = BEGINNING, time.monotonic()
        checked = self._resume.history != BEGINNING
        self._ahead = self._own()
        while self._ahead is not None and self._ahead.cursor < target:
            passed = self._ahead
            if checked:
                history = history_after(history, passed.cursor, values_digest(passed.batch))
            if time.monotonic() - said > _PROGRESS_SECONDS:
                said = time.monotonic()
                done, of = passed.cursor.sequence + 1, target.sequence
                log.info("replaying stream %d to batch %s: %s of %s", target.stream, f"{of:,}", f"{done:,}", f"{of:,}")
            self._ahead = self._own()
        return history

    def _own(self) -> _Drawn | None:
        while (step := self._steps.next()) is not None:
            if step.epoch != self._epoch:
                self._epoch, self._taken = step.epoch, 0
            if self._turns.owns(step.number):
                self._taken += 1
                cursor = Cursor(self._turns.stream, step.epoch, self._taken - 1)
                return _Drawn(cursor, step, self._part(step.batch), self._mark(step))
        return None

    def _part(self, batch: Batch) -> Batch:
        """The part of this stream's replica."""
        if self._turns.replicas == 1:
            return batch
        part = rows_of(batch) // self._turns.replicas
        return slice_batch(batch, self._turns.replica * part, (self._turns.replica + 1) * part)

    def _mark(self, step: Step) -> bytes:
        """The place behind a batch that was drawn just now, if it is time to keep one."""
        now = time.monotonic()
        self._marked += 1
        if self._taken > 1 and self._marked < STATE_BATCHES and now - self._marked_at < STATE_SECONDS:
            return b""
        self._marked_at, self._marked = now, 0
        try:
            if (state := self._steps.state()) is not None:
                return Mark(step.first, step.number + 1, self._taken, state).to_bytes()
        except (Fault, StateError) as error:
            self._steps.source.forget_states(str(error))
        return self._numbers(step) if self._taken == 1 else b""

    def _beginning(self) -> bytes:
        """The start of the epoch in which the stream goes on."""
        return self._numbers(self._ahead.step) if self._ahead else b""

    def _numbers(self, step: Step) -> bytes:
        """The start of a batch's epoch: who comes back here need not count the epochs before."""
        return Mark(step.first, step.first, 0).to_bytes() if self._turns.shared else b""


def _other_batches(target: Cursor) -> InvalidInput:
    return InvalidInput(
        f"the loader is not deterministic: by batch {target.sequence:,} of epoch {target.epoch} the batches differ "
        "from those that were trained on",
        where=str(target),
        fix="seed it (its generator, its workers in worker_init_fn), or give it state_dict and load_state_dict",
    )
