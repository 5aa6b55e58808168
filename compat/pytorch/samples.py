"""`torch_xla.utils.utils`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


class SampleGenerator:
    """Gives the same batch `sample_count` times. data: tensors, or a structure of them.

    It says its batch size as a DataLoader does, so that it can be streamed.
    """

    drop_last = True

    def __init__(self, data: Any, sample_count: int) -> None:
        self._data = data
        self._count = sample_count
        leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(data) if isinstance(leaf, torch.Tensor)]
        self.batch_size = len(leaves[0]) if leaves and leaves[0].dim() else None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return (self._data for _ in range(self._count))


__all__ = ["SampleGenerator"]
