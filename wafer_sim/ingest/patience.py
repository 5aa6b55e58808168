"""Patience: how long the next batch of a stream may keep a step waiting before the stream is late. Pure arithmetic."""

from __future__ import annotations

from collections import deque

FIRST_SECONDS = 3.0
LEAST_SECONDS = 1.0
TIMES_USUAL = 8.0
_REMEMBERED = 32
_ODD = 3


class Patience:
    """Learns how long the batches of one stream usually keep a step waiting; what takes far longer is late.

    Hosts are told apart by a number that rises with each. most: seconds beyond which no bound goes. first: the bound
    for a host that has given nothing yet; one that has to replay a loader needs long, and so would the next one.
    """

    def __init__(self, most: float, first: float = FIRST_SECONDS) -> None:
        self._most, self._first = most, first
        self._waits: deque[float] = deque(maxlen=_REMEMBERED)
        self._host = 0
        self._given = False
        self._fruitless = 0

    @property
    def usual(self) -> float:
        """Seconds: the fourth longest of the last 32 waits, so that three odd ones do not count; 0 without any."""
        longest = sorted(self._waits, reverse=True)
        return longest[min(_ODD, len(longest) - 1)] if longest else 0.0

    @property
    def bound(self) -> float:
        """Seconds that the host of now may keep a step waiting; twice as many after each host that gave nothing."""
        least = LEAST_SECONDS if self._given else self._first
        return min(self._most, max(least, TIMES_USUAL * self.usual) * 2.0 ** min(self._fruitless, 64))

    def hosted(self, host: int) -> bool:
        """This host has the stream now. Whether that is news."""
        if host <= self._host:
            return False
        if self._host and not self._given:
            self._fruitless += 1
        self._host, self._given = host, False
        return True

    def gave(self, host: int, waited: float) -> None:
        """A batch that this host brought was taken after a step had waited so many seconds for it."""
        self.hosted(host)
        self._waits.append(waited)
        if host == self._host:
            self._given, self._fruitless = True, 0
