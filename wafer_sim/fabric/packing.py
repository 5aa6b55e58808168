"""Rectangles on a grid: kernels in their order, on shelves, in bands from left to right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_THIN = 6
"""A rectangle of fewer rows than this, over the whole band, loses too much to rounding: several share a shelf."""
_SIDES = (1.0, 1.06, 0.94, 1.15, 0.85, 1.3, 0.7, 1.6, 0.5)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Cores x .. x + width - 1 of rows y .. y + height - 1."""

    x: int
    y: int
    width: int
    height: int

    @property
    def cores(self) -> int:
        """How many it covers."""
        return self.width * self.height

    def moved(self, x: int, y: int) -> Rectangle:
        """The same, so far to the right and down."""
        return Rectangle(self.x + x, self.y + y, self.width, self.height)

    def meets(self, other: Rectangle) -> bool:
        """Whether they share a core."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


@dataclass(frozen=True, slots=True)
class Item:
    """What wants a rectangle. cores: about how many. other_side: for one side the least other one; None: none does."""

    cores: int
    other_side: Callable[[int], int | None]


@dataclass(frozen=True, slots=True)
class _Shelf:
    start: int
    height: int
    widths: tuple[int, ...]


def pack(items: Sequence[Item], width: int, height: int) -> list[Rectangle] | None:
    """Rectangles without overlap within width x height, in the order of the items; None where none was found."""
    for side in _band_widths(items, width):
        if bands := _bands(items, side, height):
            if sum(_width(band) for band in bands) > width:
                bands = [_narrowed(items, band, height) for band in bands]
            if sum(_width(band) for band in bands) <= width:
                return list(_laid(bands))
    return None


def _band_widths(items: Sequence[Item], width: int) -> Iterator[int]:
    """Widths to try: about as wide as the largest item is, were it square; then as parts of the whole width."""
    largest = math.sqrt(max((item.cores for item in items), default=1))
    tried: set[int] = set()
    for side in (*(math.ceil(largest * factor) for factor in _SIDES), *(width // n for n in (1, 2, 3, 4, 6, 8, 12))):
        if 1 <= side <= width and side not in tried:
            tried.add(side)
            yield side


def _bands(items: Sequence[Item], width: int, height: int) -> list[list[_Shelf]] | None:
    bands: list[list[_Shelf]] = [[]]
    left = height
    for shelf in _shelves(items, 0, len(items), width):
        if shelf is None or shelf.height > height:
            return None
        if shelf.height > left:
            bands.append([])
            left = height
        bands[-1].append(shelf)
        left -= shelf.height
    return bands


def _narrowed(items: Sequence[Item], band: list[_Shelf], height: int) -> list[_Shelf]:
    """The same items in the narrowest band that is no higher than `height`."""
    start, stop = band[0].start, band[-1].start + len(band[-1].widths)
    low, high, best = 1, _width(band), band
    while low < high:
        middle = (low + high) // 2
        shelves = list(_shelves(items, start, stop, middle))
        whole = [shelf for shelf in shelves if shelf is not None]
        if len(whole) == len(shelves) and sum(shelf.height for shelf in whole) <= height:
            high, best = middle, whole
        else:
            low = middle + 1
    return best


def _shelves(items: Sequence[Item], start: int, stop: int, width: int) -> Iterator[_Shelf | None]:
    """Shelves of a band, top to bottom; None: an item that cannot be so narrow."""
    while start < stop:
        shelf = _shared(items, start, stop, width) or _own(items[start], start, width)
        yield shelf
        if shelf is None:
            return
        start += len(shelf.widths)


def _own(item: Item, start: int, width: int) -> _Shelf | None:
    for side in (width, min(width, math.ceil(math.sqrt(item.cores)))):
        if (high := item.other_side(side)) is not None:
            return _Shelf(start, high, (side,))
    return None


def _shared(items: Sequence[Item], start: int, stop: int, width: int) -> _Shelf | None:
    """A shelf for the next items, as far as they are small."""
    count, cores = 0, 0
    while start + count < stop and items[start + count].cores < _THIN * width and cores < _THIN * width:
        cores += items[start + count].cores
        count += 1
    for high in range(max(math.ceil(cores / width), 1), 2 * _THIN + 1) if count > 1 else ():
        sides = [item.other_side(high) for item in items[start : start + count]]
        widths = tuple(side for side in sides if side is not None)
        if len(widths) == count and sum(widths) <= width:
            return _Shelf(start, high, widths)
    return None


def _width(band: Sequence[_Shelf]) -> int:
    return max((sum(shelf.widths) for shelf in band), default=0)


def _laid(bands: Sequence[Sequence[_Shelf]]) -> Iterator[Rectangle]:
    left = 0
    for band in bands:
        top = 0
        for shelf in band:
            across = left
            for width in shelf.widths:
                yield Rectangle(across, top, width, shelf.height)
                across += width
            top += shelf.height
        left += _width(band)
