"""Which part of a picture is taken, and whether it is mirrored: a pure function of sizes and a key."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from streamer.order import mix

_LEAST_AREA = 0.08
_LEAST_RATIO, _MOST_RATIO = 3 / 4, 4 / 3
_TRIES = 10
_MIDDLE = 7 / 8
_STEP = 0x9E3779B97F4A7C15
_WORD = 1 << 64


class Part(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


def draws(key: int) -> Iterator[float]:
    """Numbers in [0, 1) without end: the same key gives the same ones, anywhere."""
    while True:
        key = (key + _STEP) % _WORD
        yield mix(key) / _WORD


def random_part(height: int, width: int, numbers: Iterator[float]) -> Part:
    """A part of 8 to 100 % of the area and 3:4 to 4:3 in shape, anywhere; the middle where ten tries do not fit."""
    for _ in range(_TRIES):
        area = height * width * (_LEAST_AREA + (1 - _LEAST_AREA) * next(numbers))
        ratio = _LEAST_RATIO + (_MOST_RATIO - _LEAST_RATIO) * next(numbers)
        tall, wide = max(1, round(math.sqrt(area / ratio))), max(1, round(math.sqrt(area * ratio)))
        down, right = next(numbers), next(numbers)
        if tall <= height and wide <= width:
            return Part(int(down * (height - tall + 1)), int(right * (width - wide + 1)), tall, wide)
    return middle_part(height, width, 1.0)


def middle_part(height: int, width: int, ratio: float, share: float = _MIDDLE) -> Part:
    """The middle of a picture. ratio: width over height. share: of the largest such part, along each side."""
    tall = max(1, round(share * min(height, width / ratio)))
    wide = max(1, round(share * min(width, height * ratio)))
    return Part((height - tall) // 2, (width - wide) // 2, tall, wide)
