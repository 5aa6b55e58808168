"""`cerebras.framework.torch.core`: besides its modules, a scope for names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Within it nothing changes: an operation is known by the user's own line."""
    yield


__all__ = ["name_scope"]
