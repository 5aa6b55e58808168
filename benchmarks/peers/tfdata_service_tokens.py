"""tf.data service at sequences: a dispatcher and two workers, processes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.tfdata_service import CHUNK_BATCHES, PACKAGE, Cluster
from benchmarks.peers.tokens import FILL, TokenTask, packed

__all__ = ["PACKAGE", "TASK", "open_peer"]

TASK = TokenTask


class TfDataServiceTokens:
    """Rows of one length are gathered, and travel, as such; documents are padded by the workers, or travel as values
    and row splits and are padded by the consumer. compression AUTO or None. Splits as in tfdata_service.
    """

    def __init__(self, task: TokenTask) -> None:
        import tensorflow

        self._tf: Any = tensorflow
        self._task = task
        tokens, offsets = task.read()
        if task.packed:
            self._rows: Any = tensorflow.constant(packed(tokens, offsets, task.length))
        else:
            self._rows = tensorflow.RaggedTensor.from_row_splits(tokens, offsets)
        self._chunk = CHUNK_BATCHES * task.batch_size
        self._chunks = int(self._rows.shape[0]) // self._chunk
        self._cluster = Cluster(tensorflow)
        ways = ("packed",) if task.packed else ("padded by workers", "padded by the consumer")
        self.settings: Sequence[str] = [f"{way}, compression {how}" for way in ways for how in ("AUTO", "None")]

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        tf = self._tf
        consumer_pads = "consumer" in setting
        data = tf.data.Dataset.range(self._chunks).shuffle(self._chunks).repeat(epochs).map(self._drawn).unbatch()
        gather = self._ragged if consumer_pads else self._padded
        data = data.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        data = self._cluster.through(data, "AUTO" if setting.endswith("AUTO") else None)
        if consumer_pads:
            data = data.map(self._filled, num_parallel_calls=tf.data.AUTOTUNE)
        options = tf.data.Options()
        options.deterministic = False
        return iter(data.prefetch(tf.data.AUTOTUNE).with_options(options))

    def close(self) -> None:
        self._cluster.close()

    def _drawn(self, chunk: Any) -> Any:
        """The rows of the batches of a chunk: (batches, batch_size)."""
        tf = self._tf
        order = tf.random.shuffle(tf.range(self._chunk, dtype=tf.int64)) + chunk * self._chunk
        return tf.reshape(order, [-1, self._task.batch_size])

    def _padded(self, rows: Any) -> tuple[Any]:
        found = self._tf.gather(self._rows, rows)
        return (found if self._task.packed else self._dense(found),)

    def _ragged(self, rows: Any) -> tuple[Any, Any]:
        found = self._tf.gather(self._rows, rows)
        return found.values, found.row_splits

    def _filled(self, values: Any, splits: Any) -> tuple[Any]:
        return (self._dense(self._tf.RaggedTensor.from_row_splits(values, splits, validate=False)),)

    def _dense(self, ragged: Any) -> Any:
        return ragged.to_tensor(default_value=FILL, shape=[self._task.batch_size, self._task.length])


open_peer = TfDataServiceTokens
