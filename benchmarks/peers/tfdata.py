"""tf.data in the consumer's own process: batch, then a vectorised map, AUTOTUNE throughout, prefetch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.task import SCALE, Task

PACKAGE = "tensorflow"


class TfData:
    """slices: from_tensor_slices and a shuffle buffer, as in the guide. indices: row numbers are shuffled and batched,
    and whole batches gathered.
    """

    settings: Sequence[str] = ("slices", "indices")

    def __init__(self, task: Task) -> None:
        import tensorflow

        self._tf: Any = tensorflow
        self._task = task
        pixels, labels = task.read()
        self._rows = len(labels)
        with tensorflow.device("cpu"):
            self._pixels, self._labels = tensorflow.constant(pixels), tensorflow.constant(labels)

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        tf, seed = self._tf, self._task.seed
        options = tf.data.Options()
        options.deterministic = False
        tf.random.set_seed(seed)
        return iter(self.data(setting, epochs).prefetch(tf.data.AUTOTUNE).with_options(options))

    def close(self) -> None:
        """It has no process of its own."""

    def data(self, setting: str, epochs: int | None) -> Any:
        """Shuffled, repeated, batched and mapped."""
        data = self._tf.data.Dataset
        whole = setting == "slices"
        first = data.from_tensor_slices((self._pixels, self._labels)) if whole else data.range(self._rows)
        batched = first.shuffle(self._rows).repeat(epochs).batch(self._task.batch_size, drop_remainder=True)
        return batched.map(self._scaled if whole else self._gathered, num_parallel_calls=self._tf.data.AUTOTUNE)

    def _gathered(self, rows: Any) -> tuple[Any, Any]:
        return self._scaled(self._tf.gather(self._pixels, rows), self._tf.gather(self._labels, rows))

    def _scaled(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        return self._tf.cast(pixels, self._tf.float32) * SCALE, labels


open_peer = TfData
