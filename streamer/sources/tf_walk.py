"""One walk of a tf.data pipeline: its iterator, the iterator's state, and its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.eager import context  # to iterate where a user's file has switched eager execution off
from tensorflow.python.framework import config  # what switches determinism on can be undone only here

from streamer.loader_state import LARGEST, StateError
from streamer.randomness import Randomness
from streamer.sources import tf_graph
from streamer.sources.tf_spec import Layout, column_of
from streamer.user_code import told
from wire.errors import Fault, InvalidInput

_FAIL = 2  # of an iterator that cannot be saved as a whole, rather than saving what can be


class DatasetWalk:
    """The batches of one walk. make: gives the dataset. state: what `state` of another walk of this shard gave."""

    def __init__(self, make: Callable[[], Any], layout: Layout, randomness: Randomness, state: Any, epoch: int) -> None:
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
            with eager():
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
        with eager():
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


def eager() -> AbstractContextManager[None]:
    """Where TensorFlow runs what it is told at once, whatever a user's file has switched off."""
    return nullcontext() if tf.executing_eagerly() else context.eager_mode()
