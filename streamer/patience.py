"""When a worker registers again at its coordinator, and when it gives up. Pure; times in seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

PATIENCE_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
OFTEN = 5
OFTEN_SECONDS = 10.0


@dataclass(slots=True)
class Patience:
    """gone_since: since when nobody answers; None while the coordinator is there. dismissed: when, lately."""

    gone_since: float | None = None
    pause: float = FIRST_PAUSE_SECONDS
    dismissed: deque[float] = field(default_factory=lambda: deque(maxlen=OFTEN))

    def after_silence(self, now: float) -> float:
        """How long to wait before the next try, after nobody answered."""
        if self.gone_since is None:
            self.gone_since = now
        pause, self.pause = self.pause, min(2 * self.pause, LONGEST_PAUSE_SECONDS)
        return pause

    def over(self, now: float) -> bool:
        """Whether it is time to give up."""
        return self.gone_since is not None and now - self.gone_since >= PATIENCE_SECONDS

    def after_dismissal(self, now: float) -> float:
        """How long to wait before registering again, after a coordinator that is there gave the worker up.

        Not at all, unless that was the fifth time within ten seconds: then something is wrong that haste only makes
        worse.
        """
        self.dismissed.append(now)
        often = len(self.dismissed) == OFTEN and now - self.dismissed[0] < OFTEN_SECONDS
        return LONGEST_PAUSE_SECONDS if often else 0.0

    def registered(self) -> None:
        """The coordinator answered."""
        self.gone_since, self.pause = None, FIRST_PAUSE_SECONDS
