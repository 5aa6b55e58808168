"""Which steps of the input a run passes over without training on them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from wire.errors import InvalidInput


class Skips:
    """Ranges (first, last) of input steps, 1-based, both included; they may touch and overlap.

    Raises InvalidInput for a range that is none.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if not 1 <= first <= last:
                raise InvalidInput(
                    f"input steps {first}..{last} cannot be passed over",
                    where="runconfig.skip",
                    fix="name the first and the last one; the first input step of a run is 1",
                )
            if self._ranges and first <= self._ranges[-1][1] + 1:
                begun, reached = self._ranges.pop()
                self._ranges.append((begun, max(reached, last)))
            else:
                self._ranges.append((first, last))

    def around(self, input_step: int) -> tuple[int, int] | None:
        """The range that this input step lies in, None where it is trained on."""
        at = bisect_right(self._ranges, input_step, key=lambda each: each[0]) - 1
        return self._ranges[at] if at >= 0 and input_step <= self._ranges[at][1] else None
