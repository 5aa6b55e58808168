"""The pipeline of one stream: the only file that knows the order of the stages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamer.columns import one_by_one
from streamer.order import InOrder, Order
from streamer.plan import StreamPlan, check_batch
from streamer.recipe import Recipe
from streamer.resume import Resume
from streamer.sources import WHOLE, IndexedSource, LoaderTraits, SequentialSource, Shard
from streamer.sources.loaders import Maker, open_loader
from streamer.sources.opening import mapped, maps_of, open_recipe
from streamer.stages import FrameStage, Rooms, RowMap
from streamer.stages.batch import Cut, Gather, Making, full_batches
from streamer.stages.interleave import Interleaved
from streamer.stages.map import Cast
from streamer.stages.prefetch import Prefetch
from streamer.stages.reading import RowReader, cannot_pass
from streamer.stages.repeat import RepeatSequential
from streamer.stages.shard import ShardSequential
from streamer.stages.shuffle import BlockShuffled, Shuffled
from streamer.tuning import DEFAULT_PREFETCH
from streamer.turns import Turns
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Batch, ElementSpec
from wire.seam import SeamReading


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What a run asks of its streams, whatever they read.

    batch_size: of a global step, all replicas together. epochs: None repeats for ever. seed: of order and of user
    code. prefetch: batches kept ready in each stream. pass_bad: samples that cannot be read are listed in the frames,
    and others stand in for them; else the first one ends its stream.
    """

    batch_size: int
    replicas: int = 1
    streams: int = 1
    drop_remainder: bool = True
    epochs: int | None = None
    seed: int = 0
    shuffle: bool = False
    prefetch: int = DEFAULT_PREFETCH
    pass_bad: bool = False


@dataclass(frozen=True, slots=True)
class Ordering:
    """How an indexed source is ordered beyond "shuffled or not". 0 means: not so.

    block_rows, window_blocks: shuffle by blocks. cycle_length, block_length: interleave the files.
    """

    block_rows: int = 0
    window_blocks: int = 16
    cycle_length: int = 0
    block_length: int = 1

    def over(self, source: IndexedSource, settings: StreamSettings) -> Order:
        """The order of a source's rows in a run with these settings."""
        rows = len(source)
        if settings.shuffle and self.block_rows:
            return BlockShuffled(rows, settings.seed, self.block_rows, self.window_blocks)
        if settings.shuffle:
            return Shuffled(rows, settings.seed)
        if self.cycle_length:
            return Interleaved(source.blocks, self.cycle_length, self.block_length)
        return InOrder(rows)


class Input:
    """What a worker can host: a source, and how its batches are made. It can open any stream of it, many at once.

    maps: what is made of each row of an indexed source. cast_here: what would land on arrival lands at the worker.
    """

    def __init__(
        self,
        source: IndexedSource | SequentialSource,
        ordering: Ordering | None = None,
        *,
        maps: Sequence[RowMap] = (),
        cast_here: bool = False,
    ) -> None:
        self.source = source
        self._maps = maps
        self._made = mapped(source.spec, maps)
        self.spec: ElementSpec = self._made.landed() if cast_here else self._made
        self._ordering = ordering or Ordering()
        self._cast_here = cast_here

    @property
    def rows(self) -> int | None:
        """Samples in an epoch; None where only walking the source could tell."""
        return len(self.source) if isinstance(self.source, IndexedSource) else None

    @property
    def traits(self) -> LoaderTraits | None:
        """What a user's loader says about its batches; None for a recipe."""
        return getattr(self.source, "traits", None)

    def describe(self) -> str:
        return self.source.describe()

    def plan(self, settings: StreamSettings) -> StreamPlan | None:
        """The plan of a run; None for a sequential source, which has none. Raises InvalidInput."""
        if not isinstance(self.source, IndexedSource):
            check_batch(settings.batch_size, settings.replicas, settings.drop_remainder)
            return None
        return StreamPlan(
            len(self.source),
            settings.batch_size,
            settings.replicas,
            settings.streams,
            settings.drop_remainder,
            settings.epochs,
        )

    def first(self, settings: StreamSettings, stream: int) -> Cursor:
        """The cursor at which a stream of a new run starts."""
        plan = self.plan(settings)
        return plan.first(stream) if plan else Cursor(stream)

    def reader(self, source: IndexedSource, seed: int, *, pass_bad: bool = False) -> RowReader:
        """What reads rows of this source as this input has them. Raises as RowReader."""
        return RowReader(source, seed, pass_bad=pass_bad, maps=self._maps)

    def open(
        self, settings: StreamSettings, cursor: Cursor, resume: Resume | None = None, rooms: Rooms | None = None
    ) -> StreamPipeline:
        """The stream of this cursor, running from there. Raises InvalidInput where settings or cursor do not fit.

        resume: what is known of the way to the cursor; a sequential source needs it to be quick, and to be checked.
        rooms: where the payloads of batches belong that are gathered by row.
        """
        turns = Turns(cursor.stream, settings.streams, settings.replicas)
        plan = self.plan(settings)
        stage: FrameStage
        if plan is not None and isinstance(self.source, IndexedSource):
            order = self._ordering.over(self.source, settings)
            reader = self.reader(self.source, settings.seed, pass_bad=settings.pass_bad)
            most = 1 if _ragged(self.spec) else settings.prefetch // 2
            making = Making(most, None if self._cast_here else rooms, self.spec)
            stage = Gather(plan, order, reader, cursor, making)
        elif isinstance(self.source, SequentialSource):
            stage = _walk(self.source, settings, turns, cursor, resume)
        if self._cast_here:
            stage = Cast(stage, self._made)
        return StreamPipeline(Prefetch(stage, settings.prefetch, f"prefetch/{cursor.stream}"))


class StreamPipeline:
    """One stream, running: its batches in order, made ahead by a thread of its own."""

    def __init__(self, prefetch: Prefetch) -> None:
        self._prefetch = prefetch
        self._next: deque[Frame] = deque()

    def get(self, timeout: float | None = None) -> Frame:
        """The next batch, with its cursor and the following one; after the last a frame with `end` set.

        Raises TimeoutError after `timeout` seconds, SeamClosed after the end, and what reading the source raised.
        """
        if not self._next:
            self._next.extend(one_by_one(self._prefetch.get(timeout)))
        return self._next.popleft()

    def get_some(self, most: int, nbytes: int, timeout: float | None = None, linger: float = 0.0) -> list[Frame]:
        """The next batches, some to a frame, until they are `most` or have `nbytes`. Else as `get`; not after it.

        linger: seconds that more of them are waited for once there is one.
        """
        return self._prefetch.get_some(most, nbytes, timeout, linger)

    def resize(self, prefetch: int) -> None:
        """Keep so many batches ready from now on."""
        self._prefetch.resize(prefetch)

    def close(self) -> None:
        """Stop, within 2 s even if user code blocks."""
        self._prefetch.close()

    def readings(self) -> list[SeamReading]:
        return [self._prefetch.reading()]


def recipe_input(recipe: Recipe, data_root: Path | None = None) -> Input:
    """A recipe's data as an input. Raises NotFound, InvalidInput, Refused outside `data_root`."""
    ordering = Ordering(
        recipe.shuffle_block_rows,
        recipe.shuffle_window_blocks,
        recipe.interleave_cycle_length,
        recipe.interleave_block_length,
    )
    source = open_recipe(recipe, data_root)
    return Input(source, ordering, maps=maps_of(recipe), cast_here=recipe.cast_at == "worker")


def loader_input(loader: Any, make: Maker | None = None) -> Input:
    """A user's loader as an input. make: makes it once more, for sources.loaders.open_loader. Raises InvalidInput."""
    return Input(open_loader(loader, make))


def _ragged(spec: ElementSpec) -> bool:
    return any(field.ragged for field in spec.fields)


def _walk(
    source: SequentialSource, settings: StreamSettings, turns: Turns, cursor: Cursor, resume: Resume | None
) -> Cut:
    def full(batches: Iterator[Batch], first: int) -> Iterator[Batch]:
        walked = cannot_pass(batches) if settings.pass_bad else batches
        return full_batches(walked, settings.batch_size, settings.drop_remainder, first)

    shard = Shard(turns.turn, turns.turns) if turns.even and source.shards(turns.turns) else WHOLE
    turns = replace(turns, sharded=shard != WHOLE)
    steps = RepeatSequential(source, settings.seed, full, settings.epochs, shard)
    return Cut(ShardSequential(steps, turns, cursor, resume))
