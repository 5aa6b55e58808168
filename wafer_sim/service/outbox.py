"""A bounded queue to one listener, which may be slow or gone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from wire.errors import Exhausted, Fault

T = TypeVar("T")


class Outbox(Generic[T]):
    """What one listener has still to hear, in order. Putting never waits.

    capacity: beyond it the oldest item for which `droppable` holds is dropped; where none is, the listener is cut off
    with Exhausted.
    """

    def __init__(self, capacity: int, droppable: Callable[[T], bool]) -> None:
        self._capacity = capacity
        self._droppable = droppable
        self._items: deque[T] = deque()
        self._closed = False
        self._fault: Fault | None = None
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Add an item; without effect once closed."""
        with self._changed:
            if self._closed:
                return
            self._items.append(item)
            if len(self._items) > self._capacity:
                self._make_room()
            self._changed.notify()

    def close(self, fault: Fault | None = None) -> None:
        """No more will come. The listener hears what is there, then the end, or the fault. The first call counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._fault = True, fault
                self._changed.notify()

    def __iter__(self) -> Iterator[T]:
        """Every item, as it comes, until the end. Raises the fault that the outbox was closed with."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._closed)
                if not self._items:
                    break
                item = self._items.popleft()
            yield item
        if self._fault is not None:
            raise self._fault

    def _make_room(self) -> None:
        for at, item in enumerate(self._items):
            if self._droppable(item):
                del self._items[at]
                return
        self._closed, self._fault = True, Exhausted(f"{self._capacity} messages wait for a listener that takes none")
