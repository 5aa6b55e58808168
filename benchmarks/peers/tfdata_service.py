"""tf.data service: a dispatcher and two workers, processes of their own; uint8 travels and is scaled at the consumer.

python -m benchmarks.peers.tfdata_service DISPATCHER     a worker; it leaves when its standard input closes
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.task import PIXELS, SCALE, Task

PACKAGE = "tensorflow"
_WORKERS = 2
CHUNK_BATCHES = 4


class Cluster:
    """A dispatcher in this process, and workers of their own. tensorflow: the module."""

    def __init__(self, tensorflow: Any) -> None:
        self._service: Any = tensorflow.data.experimental.service
        self._dispatcher = self._service.DispatchServer()
        address = self._dispatcher.target.partition("://")[2]
        command = [sys.executable, "-m", "benchmarks.peers.tfdata_service", address]
        self._workers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(_WORKERS)]

    def through(self, data: Any, compression: str | None) -> Any:
        """A dataset's elements, each from one of the workers, in no order that is known."""
        sharding, target = self._service.ShardingPolicy.DYNAMIC, self._dispatcher.target
        return data.apply(self._service.distribute(sharding, target, compression=compression))

    def close(self) -> None:
        """Nothing of it runs any more."""
        for worker in self._workers:  # one that is asked to stop waits for tasks of iterators that are gone
            worker.kill()
            worker.communicate()


class TfDataService:
    """compression AUTO or None. Sharding is DYNAMIC, the policy by which each sample is delivered once.

    The splits are chunks of four batches, drawn in random order and shuffled inside, all of it vectorised: with
    splits of single samples the dispatcher is asked for each one.
    """

    settings: Sequence[str] = ("compression AUTO", "compression None")

    def __init__(self, task: Task) -> None:
        import tensorflow

        self._tf: Any = tensorflow
        self._task = task
        pixels, labels = task.read()
        self._chunk = CHUNK_BATCHES * task.batch_size
        self._chunks = len(labels) // self._chunk
        self._pixels = tensorflow.constant(pixels.reshape(self._chunks, self._chunk, PIXELS))
        self._labels = tensorflow.constant(labels.reshape(self._chunks, self._chunk))
        self._cluster = Cluster(tensorflow)

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        tf = self._tf
        data = tf.data.Dataset.range(self._chunks).shuffle(self._chunks).repeat(epochs)
        data = data.map(self._drawn, num_parallel_calls=tf.data.AUTOTUNE).unbatch().prefetch(tf.data.AUTOTUNE)
        data = self._cluster.through(data, "AUTO" if setting.endswith("AUTO") else None)
        options = tf.data.Options()
        options.deterministic = False
        data = data.map(self._scaled, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        return iter(data.with_options(options))

    def close(self) -> None:
        self._cluster.close()

    def _drawn(self, chunk: Any) -> tuple[Any, Any]:
        tf, size = self._tf, self._task.batch_size
        order = tf.random.shuffle(tf.range(self._chunk))
        pixels, labels = tf.gather(self._pixels[chunk], order), tf.gather(self._labels[chunk], order)
        return tf.reshape(pixels, [-1, size, PIXELS]), tf.reshape(labels, [-1, size])

    def _scaled(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        return self._tf.cast(pixels, self._tf.float32) * SCALE, labels


open_peer = TfDataService


def _work(dispatcher: str) -> None:
    import tensorflow

    service: Any = tensorflow.data.experimental.service
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=dispatcher))
    sys.stdin.read()
    del worker


if __name__ == "__main__":
    _work(sys.argv[1])
