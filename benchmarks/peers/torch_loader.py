"""torch's DataLoader over a TensorDataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.task import SCALE, Task

PACKAGE = "torch"

_SETTINGS = {
    "per sample": (False, 0, 1),
    "per sample, 2 workers": (False, 2, 1),
    "batched sampler": (True, 0, 1),
    "batched sampler, 2 threads": (True, 0, 2),
    "batched sampler, 1 worker": (True, 1, 1),
    "batched sampler, 2 workers": (True, 2, 1),
}
"""Whether indices are batched, worker processes, threads that the consumer computes with."""


class TorchLoader:
    """per sample: the plain DataLoader. batched sampler: a BatchSampler as the sampler, so that a batch is one
    indexing of the tensors. Workers are kept over epochs and prefetch four batches; uint8 leaves them.
    """

    settings: Sequence[str] = tuple(_SETTINGS)

    def __init__(self, task: Task) -> None:
        import torch
        from torch.utils.data import TensorDataset

        self._torch = torch
        self._task = task
        self._data = TensorDataset(*(torch.from_numpy(column) for column in task.read()))

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        from torch.utils.data import BatchSampler, DataLoader, RandomSampler

        batched, workers, threads = _SETTINGS[setting]
        self._torch.set_num_threads(threads)
        order = RandomSampler(self._data, generator=self._torch.Generator().manual_seed(self._task.seed))
        how: dict[str, Any] = {"sampler": order, "batch_size": self._task.batch_size, "drop_last": True}
        if batched:
            how = {"sampler": BatchSampler(order, self._task.batch_size, drop_last=True), "batch_size": None}
        if workers:
            how |= {"num_workers": workers, "persistent_workers": True, "prefetch_factor": 4}
        loader: DataLoader[Any] = DataLoader(self._data, **how)
        done = 0
        while epochs is None or done < epochs:
            for pixels, labels in loader:
                yield pixels.to(self._torch.float32).mul_(float(SCALE)), labels
            done += 1

    def close(self) -> None:
        """A loader's workers go with it."""


open_peer = TorchLoader
