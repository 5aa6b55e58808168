"""A user's tf.data pipeline: a sequential source that TensorFlow itself runs, shards by file and resumes."""

from __future__ import annotations

import logging
import weakref
from enum import Enum
from typing import Any

import tensorflow as tf

from streamer.loader_state import LARGEST
from streamer.randomness import Randomness
from streamer.sources import WHOLE, LoaderTraits, Shard, tf_graph, tf_rows
from streamer.sources.loaders import Made, Maker, is_dataset
from streamer.sources.tf_spec import layout_of
from streamer.sources.tf_walk import DatasetWalk, eager
from wire.errors import InvalidInput

log = logging.getLogger(__name__)

INFINITE: int = tf.data.INFINITE_CARDINALITY
UNKNOWN: int = tf.data.UNKNOWN_CARDINALITY
_COMPRESSED = 32  # a state is compressed; no data is by more than this


class Cut(Enum):
    """Who cuts a pipeline into shards: nobody, as its readers take turns; the user's own function; or the streamer."""

    NONE = "taken in turn"
    WHOLE = "one shard"
    OWN = "by input_context"
    FILES = "by file"
    ROWS = "by row"


def open_dataset(dataset: Any, make: Maker | None = None) -> DatasetSource:
    """The source that a tf.data.Dataset of batches is: (features, labels), or features.

    make: makes the dataset once more, so that each walk has its own. Without it all walks share this one, and where a
    shuffle in it gives another order each time, there can be one walk only.
    Nothing is read. Raises InvalidInput, saying what to change in input_fn.
    """
    if make is not None and not tf.executing_eagerly():  # what was built in a graph can be walked in a session only
        with eager():
            dataset = make(WHOLE).loader
    return DatasetSource(dataset, make)


class DatasetSource:
    """The batches of a dataset, made anew for each walk with the random generators seeded.

    It shards by the user's own input_context; else, if it repeats for ever, by the files or rows that it begins with.
    cardinality: batches in an epoch, or INFINITE or UNKNOWN.
    """

    def __init__(self, dataset: Any, make: Maker | None = None) -> None:
        self._make = make or (lambda _shard: Made(dataset))
        with eager():
            self._layout = layout_of(dataset.element_spec)
            self.cardinality = INFINITE if tf_graph.endless(dataset) else int(dataset.cardinality())
            self._parts = tf_graph.parts(dataset) if make is not None and self.cardinality == INFINITE else 0
            self._by_file = tf_graph.reads_files(dataset)
            self._held = tf_graph.shuffled_bytes(dataset)
        self._cuts = {1: Cut.WHOLE}
        self._walked: weakref.WeakSet[Any] = weakref.WeakSet()
        self._stateful = self._held <= LARGEST * _COMPRESSED
        self.spec = self._layout.spec
        self.traits = LoaderTraits(self._layout.batch_size, shuffle=False, drop_last=True)
        self.why = "only TensorFlow can run a tf.data pipeline"

    @property
    def resumes(self) -> bool:
        """Whether the state of its iterators can be saved, as far as is known."""
        return self._stateful

    def forget_states(self, why: str) -> None:
        """Treat it as one without state from now on; said once."""
        if self._stateful:
            self._stateful = False
            log.warning("the state of this tf.data pipeline is not kept: %s; its streams are resumed by replay", why)

    def shards(self, of: int) -> bool:
        """Whether the user's function makes shards itself, or the pipeline can be cut where it begins. Then what each
        shard shuffles and batches is its own.
        """
        return self._cut(of) is not Cut.NONE

    def batches(self, epoch: int, seed: int = 0, state: Any = None, shard: Shard = WHOLE) -> DatasetWalk:
        """A walk of an epoch of a shard, from its beginning or from a state of such a walk. Raises InvalidInput."""
        return DatasetWalk(lambda: self._dataset(shard), self._layout, Randomness(seed, epoch), state, epoch)

    def describe(self) -> str:
        length = {INFINITE: "repeated for ever", UNKNOWN: "of unknown length"}
        size = length.get(self.cardinality, f"{self.cardinality:,} batches")
        cut = f", cut by its {self._parts:,} {'files' if self._by_file else 'rows'}" if self._parts else ""
        return f"tf.data pipeline, batches of {self._layout.batch_size}, {size}{cut}"

    def _cut(self, of: int) -> Cut:
        """How it is cut into so many shards, tried out once on the first of them."""
        if of not in self._cuts:
            possible = Cut.NONE if of > self._parts else Cut.FILES if self._by_file else Cut.ROWS
            with eager(), Randomness().held():
                made, cut = self._made(Shard(0, of), possible)
            self._cuts[of] = Cut.OWN if made.own_shard else Cut.NONE if possible is Cut.ROWS and not cut else possible
        return self._cuts[of]

    def _made(self, shard: Shard, cut: Cut) -> tuple[Made, bool]:
        """What the function makes, and whether it was cut by rows, once, where it begins."""
        with tf_rows.cut_rows(shard if cut is Cut.ROWS else WHOLE) as begun:
            made = self._make(shard)
        return made, len(begun) == 1 and is_dataset(made.loader) and tf_graph.cut_once(made.loader)

    def _dataset(self, shard: Shard) -> Any:
        cut = self._cut(shard.of)
        made, by_rows = self._made(shard, cut)
        if not is_dataset(made.loader):
            raise InvalidInput(
                f"the data function returned a tf.data.Dataset first, and a {type(made.loader).__name__} later",
                fix="let it return a dataset always",
            )
        if layout_of(made.loader.element_spec) != self._layout or by_rows != (cut is Cut.ROWS):
            raise InvalidInput(
                f"the data function returned a dataset of ({self.spec}) first, and another one later",
                fix="let it return the same dataset for the same arguments",
            )
        self._check_unused(made.loader)
        return tf_graph.file_shard(made.loader, shard) if cut is Cut.FILES else made.loader

    def _check_unused(self, dataset: Any) -> None:
        """A shuffle that was walked before goes on from there: its order is no function of the seed."""
        shuffles = tf_graph.reshuffles(dataset)
        if any(shuffle in self._walked for shuffle in shuffles):
            raise InvalidInput(
                "the dataset has a shuffle that is walked for a second time, which gives another order than the first",
                fix="build all of the dataset inside input_fn, or give shuffle reshuffle_each_iteration=False",
            )
        self._walked.update(shuffles)
