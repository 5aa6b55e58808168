"""A user's tf.data pipeline: a sequential source that TensorFlow itself runs, shards by file and resumes."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.eager import context  # to iterate where a user's file has switched eager execution off
from tensorflow.python.framework import config  # what switches determinism on can be undone only here

from streamer.loader_state import LARGEST, StateError
from streamer.randomness import Randomness
from streamer.sources import WHOLE, LoaderTraits, Shard, tf_graph, tf_rows
from streamer.sources.loaders import Made, Maker, is_dataset
from streamer.sources.tf_spec import Layout, column_of, layout_of
from streamer.user_code import told
from wire.errors import Fault, InvalidInput

log = logging.getLogger(__name__)

INFINITE: int = tf.data.INFINITE_CARDINALITY
UNKNOWN: int = tf.data.UNKNOWN_CARDINALITY
_FAIL = 2  # of an iterator that cannot be saved as a whole, rather than saving what can be
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
        with _eager():
            dataset = make(WHOLE).loader
    return DatasetSource(dataset, make)


class DatasetSource:
    """The batches of a dataset, made anew for each walk with the random generators seeded.

    It shards by the user's own input_context; else, if it repeats for ever, by the files or rows that it begins with.
    cardinality: batches in an epoch, or INFINITE or UNKNOWN.
    """

    def __init__(self, dataset: Any, make: Maker | None = None) -> None:
        self._make = make or (lambda _shard: Made(dataset))
        with _eager():
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
            with _eager(), Randomness().held():
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


class DatasetWalk:
    """The batches of one walk. make: gives the dataset. state: what `state` of another walk of this shard gave."""

    def __init__(self, make: Any, layout: Layout, randomness: Randomness, state: Any, epoch: int) -> None:
        self._make, self._layout, self._randomness = make, layout, randomness
        self._begun_at, self._epoch = state, epoch
        self._dataset: Any = None
        self._iterator: Any = None
        self._python = False
        self._given, self._ended = 0, False

    def __iter__(self) -> DatasetWalk:
        return self

    def __next__(self) -> dict[str, npt.NDArray[Any]]:
        if self._ended:
            raise StopIteration
        try:
            with _eager():
                if self._iterator is None:
                    self._begin()
                tensors = self._next()
        except Fault:
            self.close()  # or its threads live as long as the error does
            raise
        if tensors is None:
            self.close()
            raise StopIteration
        self._given += 1
        places = zip(self._layout.names, self._layout.places, strict=True)
        return {name: column_of(tensors[place], name) for name, place in places}

    def state(self) -> Any:
        """Where the iterator is after the batch given last; None once the walk is over. Raises StateError."""
        if self._iterator is None:
            return None
        with _eager():
            try:
                saved = tf.raw_ops.SerializeIterator(resource_handle=self._iterator, external_state_policy=_FAIL)
                data: bytes = tf.io.serialize_tensor(saved).numpy()
            except tf.errors.OpError as error:
                raise StateError(told(error)[0]) from error
        if len(data) > LARGEST:
            raise StateError(f"it takes {len(data):,} bytes; the limit is {LARGEST:,}")
        return np.frombuffer(data, np.uint8)

    def close(self) -> None:
        """Let the iterator go, with its threads and buffers."""
        self._iterator = self._dataset = None
        self._ended = True

    def _begin(self) -> None:
        with self._randomness.held(), self._errors(f"epoch {self._epoch} of the dataset was begun"):
            options = tf.data.Options()
            options.deterministic = True
            made = self._make()
            self._python = tf_graph.calls_python(made)
            self._dataset = made.with_options(options)
            iterator = tf.raw_ops.AnonymousIteratorV3(
                output_types=self._layout.types, output_shapes=self._layout.shapes
            )
            with _determinism():
                tf.raw_ops.MakeIterator(dataset=tf.data.experimental.to_variant(self._dataset), iterator=iterator)
        if self._begun_at is not None:
            _restore(iterator, self._begun_at)
        self._iterator = iterator

    def _next(self) -> Any:
        """The tensors of the next batch; None at the end."""
        around = self._randomness.held() if self._python else nullcontext()
        with around, self._errors(f"batch {self._given} of epoch {self._epoch} of the dataset was read"):
            try:
                return tf.raw_ops.IteratorGetNext(
                    iterator=self._iterator, output_types=self._layout.types, output_shapes=self._layout.shapes
                )
            except tf.errors.OutOfRangeError:
                return None

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """What TensorFlow raises, as an error of ours: one sentence, with the user's line where it can be found."""
        try:
            yield
        except Fault:
            raise
        except Exception as error:
            what, line = told(error)
            if not line and self._dataset is not None:
                line = tf_graph.line_of(self._dataset, str(error))
            raise InvalidInput(what, where=line, fix=f"it was raised while {doing}") from error


def _restore(iterator: Any, state: Any) -> None:
    """Raises InvalidInput for a state that is not of this dataset."""
    try:
        saved = tf.io.parse_tensor(np.asarray(state, np.uint8).tobytes(), tf.variant)
        tf.raw_ops.DeserializeIterator(resource_handle=iterator, serialized=saved)
    except (tf.errors.OpError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"a state of a tf.data iterator cannot be restored ({type(error).__name__})",
            fix="resume with the input_fn, params and TensorFlow of the run that it is from",
        ) from error


@contextmanager
def _determinism() -> Iterator[None]:
    """Iterators made here run what draws random numbers, or calls Python, one sample after the other."""
    wanted = config.is_op_determinism_enabled()
    config.enable_op_determinism()
    try:
        yield
    finally:
        if not wanted:
            config.disable_op_determinism()


def _eager() -> AbstractContextManager[None]:
    return nullcontext() if tf.executing_eagerly() else context.eager_mode()
