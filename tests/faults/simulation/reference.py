"""The undisturbed run: which batches each step takes, and what the weights are after it. From the plan alone."""

from __future__ import annotations

import functools
import hashlib
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamer.plan import StreamPlan
from wafer_sim.ledger import Ledger, Taken
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.history import BEGINNING, digest_of, history_after

ELEMENT = ElementSpec((Field("digest", "int64"),))
DTYPES = ("int64",)
UNTRAINED = b"the weights before the first step"
_STATE_EVERY = 3
_APART = 0.3
_CURSOR = struct.Struct("<QQQ")


def trained(weights: bytes, digests: Iterable[int]) -> bytes:
    """The "weights" after a step with these batches: whatever differs in a run, in what or in which order, shows."""
    return hashlib.blake2b(weights + b"".join(struct.pack("<q", d) for d in digests), digest_size=16).digest()


@dataclass(frozen=True)
class Reference:
    """plan: of the run. takes: the cursors of each step of the input, one per replica. updates: how many updates of
    the weights there were before each step of the input. weights: after each update.
    """

    plan: StreamPlan
    takes: tuple[tuple[Cursor, ...], ...]
    updates: tuple[int, ...]
    weights: tuple[bytes, ...]

    def skips(self, input_step: int) -> bool:
        """Whether a step of the input, the first being 0, is passed over."""
        return self.updates[input_step + 1] == self.updates[input_step]


@functools.lru_cache(maxsize=4096)
def reference(streams: int, replicas: int, steps: int, epoch_steps: int, skip: tuple[int, int]) -> Reference:
    """The run as it has to be. skip: the first and the last step of the input that are passed over; the first is 1."""
    plan = StreamPlan(epoch_steps * replicas, replicas, replicas, streams)
    takes: list[tuple[Cursor, ...]] = []
    updates, weights = [0], [UNTRAINED]
    while len(weights) <= steps:
        cursors = tuple(_take(plan, len(takes), replica) for replica in range(replicas))
        takes.append(cursors)
        if not skip[0] <= len(takes) <= skip[1]:
            weights.append(trained(weights[-1], (value_of(plan, cursor) for cursor in cursors)))
        updates.append(len(weights) - 1)
    return Reference(plan, tuple(takes), tuple(updates), tuple(weights))


def _take(plan: StreamPlan, step: int, replica: int) -> Cursor:
    owner = next(s for s in range(replica, plan.streams, plan.replicas) if plan.turns(s).owns(step))
    return plan.cursor_from(owner, step)


@functools.lru_cache(maxsize=65536)
def value_of(plan: StreamPlan, cursor: Cursor) -> int:
    """What the one sample of a batch is: the same row of the same epoch, however many streams there are."""
    place = plan.locate(cursor)
    if place is None:
        raise AssertionError(f"{cursor} is past the end")
    return digest_of(_CURSOR.pack(0, place.epoch, place.start)) >> 1


@functools.lru_cache(maxsize=65536)
def frame_of(plan: StreamPlan, cursor: Cursor) -> Frame:
    """The batch at a cursor, as any worker makes it."""
    place = plan.locate(cursor)
    if place is None:
        raise AssertionError(f"{cursor} is past the end")
    rows = np.arange(place.start, place.stop)
    value = value_of(plan, cursor)
    state = b"" if cursor.sequence % _STATE_EVERY else state_after(cursor)
    batch = {"digest": np.array([value])}
    return Frame(cursor, plan.following(cursor), batch, digests=(value,), row_numbers=rows, loader_state=state)


def joined(frames: Sequence[Frame], rng: random.Random) -> Iterator[Frame]:
    """The same batches, some that may travel together in one frame now and then."""
    first, *rest = frames
    for frame in rest:
        together = frame.cursor.epoch == first.cursor.epoch and not first.loader_state
        if not together or rng.random() < _APART:
            yield first
            first = frame
        else:
            first = _both(first, frame)
    yield first


def _both(one: Frame, other: Frame) -> Frame:
    assert one.row_numbers is not None and other.row_numbers is not None
    return Frame(
        one.cursor,
        other.following,
        {"digest": np.concatenate([one.batch["digest"], other.batch["digest"]])},
        digests=one.digests + other.digests,
        row_numbers=np.concatenate([one.row_numbers, other.row_numbers]),
        loader_state=other.loader_state,
    )


def ledger_of(plan: StreamPlan, steps: int) -> Ledger:
    """The ledger of a run with this plan after so many steps."""
    ledger = Ledger.fresh(plan.streams, plan.rows)
    for step in range(steps):
        frames = (frame_of(plan, _take(plan, step, replica)) for replica in range(plan.replicas))
        ledger.commit(Taken(f.cursor, f.following, f.rows, f.digests[0], f.row_numbers) for f in frames)
    return ledger


def state_after(cursor: Cursor) -> bytes:
    """The state of a loader that has given the batch at this cursor."""
    return b"after " + _CURSOR.pack(cursor.stream, cursor.epoch, cursor.sequence)


def newest_state(cursor: Cursor) -> Cursor:
    """The last batch before a cursor that is not its epoch's first, after which the state of the loader was sent."""
    last = cursor.sequence - 1
    return Cursor(cursor.stream, cursor.epoch, last - last % _STATE_EVERY)


@functools.lru_cache(maxsize=65536)
def history_before(plan: StreamPlan, cursor: Cursor) -> bytes:
    """What a stream has given of an epoch before this cursor."""
    if cursor.sequence == 0:
        return BEGINNING
    last = Cursor(cursor.stream, cursor.epoch, cursor.sequence - 1)
    return history_after(history_before(plan, last), last, value_of(plan, last))
