"""The last warnings and errors of a process, for those who are told when it is gone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

KEPT = 20
LONGEST = 500


class LastLines(logging.Handler):
    """Keeps the latest lines of all loggers, from WARNING on, until they are taken."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[str] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = self.format(record)
        except Exception:  # noqa: BLE001 - logging says by itself what became of a line
            self.handleError(record)
            return
        self._lines.extend(cut(said))

    def taken(self) -> list[str]:
        """What was said since the last time."""
        taken = []
        while self._lines:
            taken.append(self._lines.popleft())
        return taken

    @contextmanager
    def listening(self) -> Iterator[LastLines]:
        """Hear every logger, those of the streamer too where they speak for themselves."""
        root, own = logging.getLogger(), logging.getLogger("streamer")
        heard = [root] if own.propagate else [root, own]
        for logger in heard:
            logger.addHandler(self)
        try:
            yield self
        finally:
            for logger in heard:
                logger.removeHandler(self)


def cut(text: str) -> list[str]:
    """The last lines of a text, none of them very long."""
    return [line[:LONGEST] for line in text.rstrip().splitlines()[-KEPT:]]
