"""Rows from one device per process, which serves one batch after the other and takes a fixed time for each.

That is a load model: a worker with a slow disk or a slow network, which leaves its cores idle.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

ROWS = 60_000


class Device:
    """Serves requests one after the other; each takes `seconds`. Its schedule is a clock's, not its callers'."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._free = 0.0
        self._lock = threading.Lock()
        self._never = threading.Event()

    def serve(self) -> None:
        """Return when a request that comes now has been served."""
        with self._lock:
            self._free = max(self._free, time.monotonic()) + self._seconds
            due = self._free
        while (left := due - time.monotonic()) > 0:
            self._never.wait(left)


class SlowRows(Dataset[Any]):
    """ROWS images and labels, made from the row's number; a batch of them takes the device's time."""

    def __init__(self, think_seconds: float) -> None:
        self._device = Device(think_seconds)
        self._images = np.arange(4096, dtype=np.float32).reshape(1, 64, 64)[:, :28, :28] / 4096

    def __len__(self) -> int:
        return ROWS

    def __getitems__(self, rows: list[int]) -> list[int]:  # torch's name for reading many rows at once
        self._device.serve()
        return rows

    def __getitem__(self, row: int) -> int:
        return self.__getitems__([row])[0]

    def collate(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (batch, 1, 28, 28) float32 and labels (batch,) int32."""
        images = np.broadcast_to(self._images, (len(rows), 1, 28, 28)).copy()
        return torch.from_numpy(images), torch.from_numpy(np.asarray(rows, np.int32) % 10)


def get_train_dataloader(params: dict[str, Any]) -> DataLoader[Any]:
    """train_input.think_seconds: what a batch costs a worker."""
    section = params["train_input"]
    dataset = SlowRows(section["think_seconds"])
    return DataLoader(dataset, section["batch_size"], collate_fn=dataset.collate, drop_last=True)
