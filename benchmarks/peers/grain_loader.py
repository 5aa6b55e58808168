"""google/grain: a MapDataset that is shuffled, repeated, batched and mapped, read by threads or worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.task import Labels, Pixels, Task, scaled

PACKAGE = "grain"
_PROCESSES = 2


class _Samples:
    """A random-access source of single samples."""

    def __init__(self, pixels: Pixels, labels: Labels) -> None:
        self._pixels, self._labels = pixels, labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: Any) -> tuple[Any, Any]:
        return self._pixels[row], self._labels[row]


class Grain:
    """samples: a source of samples, as in the guide. indices: row numbers are batched, and whole batches gathered.

    threads: ReadOptions as they are. processes: mp_prefetch with two workers.
    """

    settings: Sequence[str] = ("samples, threads", "samples, processes", "indices, threads", "indices, processes")

    def __init__(self, task: Task) -> None:
        import grain

        self._grain: Any = grain
        self._task = task
        self._samples = _Samples(*task.read())

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        grain, task, samples = self._grain, self._task, self._samples
        what, _, how = setting.partition(", ")
        whole = what == "samples"
        first = grain.MapDataset.source(samples) if whole else grain.MapDataset.range(len(samples))
        data = first.seed(task.seed).shuffle().repeat(epochs).batch(task.batch_size, drop_remainder=True)
        data = data.map(_scaled if whole else lambda rows: _scaled(samples[rows])).to_iter_dataset()
        if how == "processes":
            data = data.mp_prefetch(grain.MultiprocessingOptions(num_workers=_PROCESSES))
        return iter(data)

    def close(self) -> None:
        """A dataset's processes go with it."""


def _scaled(batch: tuple[Any, Any]) -> tuple[Any, Any]:
    pixels, labels = batch
    return scaled(pixels), labels


open_peer = Grain
