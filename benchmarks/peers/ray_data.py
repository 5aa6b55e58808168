"""Ray Data: a materialised dataset and iter_batches; uint8 in the object store, scaled at the consumer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.peers.task import Task, scaled

PACKAGE = "ray"
_BLOCKS = 8
_BUFFER = 10_000


class RayData:
    """blocks: the order of blocks is drawn, which is the cheapest shuffle of the guide. buffer: a local shuffle."""

    settings: Sequence[str] = ("blocks", "buffer")

    def __init__(self, task: Task) -> None:
        import pyarrow as pa
        import ray

        self._ray: Any = ray
        self._task = task
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        blocks = zip(*(np.array_split(column, _BLOCKS) for column in task.read()), strict=True)
        tables = [
            pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), "label": labels})
            for pixels, labels in blocks
        ]
        self._data: Any = ray.data.from_arrow(tables).materialize()

    def batches(self, setting: str, epochs: int | None) -> Iterator[Sequence[Any]]:
        how: dict[str, Any] = {"local_shuffle_buffer_size": _BUFFER} if setting == "buffer" else {}
        done = 0
        while epochs is None or done < epochs:
            data = self._data.randomize_block_order() if setting == "blocks" else self._data
            for batch in data.iter_batches(
                batch_size=self._task.batch_size, batch_format="numpy", prefetch_batches=8, drop_last=True, **how
            ):
                yield scaled(batch["image"]), batch["label"]
            done += 1

    def close(self) -> None:
        self._ray.shutdown()


open_peer = RayData
