"""The data function of the workers: whole records are read, and cut or repeated to the size that a step takes."""

from __future__ import annotations

import os
import threading
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.mlperf.workloads import fitted


class Records(Dataset[dict[str, torch.Tensor]]):
    """`rows` samples of a file of records, which come again and again. section: what the harness wrote."""

    def __init__(self, section: dict[str, Any]) -> None:
        self._file = os.open(section["records"], os.O_RDONLY)
        self._size, self._shape = section["record_bytes"], tuple(section["shape"])
        self._rows = section["rows"]
        self._records = os.fstat(self._file).st_size // self._size
        self._times, self._wanted = fitted(self._size, self._shape)
        self._buffers = threading.local()

    def __len__(self) -> int:
        return int(self._rows)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        buffer = self._read(row % self._records * self._size)
        sample = torch.frombuffer(buffer, dtype=torch.uint8)
        sample = sample.repeat(self._times)[: self._wanted] if self._times > 1 else sample[: self._wanted].clone()
        return {"sample": sample.reshape(self._shape)}

    def _read(self, offset: int) -> bytearray:
        """The record at an offset, in a buffer of this thread."""
        if not hasattr(self._buffers, "mine"):
            self._buffers.mine = bytearray(self._size)
        buffer: bytearray = self._buffers.mine
        view, done = memoryview(buffer), 0
        while done < self._size:
            done += os.preadv(self._file, [view[done:]], offset + done)
        return buffer


def get_train_dataloader(params: dict[str, Any]) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches of {"sample": uint8 (batch, *shape)}, shuffled."""
    section = params["train_input"]
    return DataLoader(Records(section), batch_size=section["batch_size"], shuffle=True, drop_last=True)
