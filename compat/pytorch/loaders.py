"""`cerebras.framework.torch.data`: a user's loader, streamed by workers while the loop looks at one of its batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compat.pytorch import loop


class DataLoader:
    """A loader as the loop of that time walks it: a step for each batch of an epoch, until the loop leaves.

    `_loader` is the user's own. What is yielded is its first batch, again and again: the data itself goes from the
    workers to the system.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            count: int | None = len(self._loader)
        except TypeError:
            count = None
        return loop.CURRENT.steps(self._loader, count)


__all__ = ["DataLoader"]
