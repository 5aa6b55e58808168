"""Whether local workers may take any processor, or leave those that the wafer computes on alone. Pure."""

from __future__ import annotations

KEEPS_UP, FALLS_BEHIND = 0.02, 0.10
"""Parts of an interval that replicas waited for input: below the first it keeps up, above the second it does not."""


class Aside:
    """Workers step aside when the input keeps up, and back for good when it then falls behind."""

    def __init__(self) -> None:
        self.aside = False
        self._settled = False
        self._seconds = self._stall = 0.0

    def hear(self, seconds: float, stall: float) -> bool:
        """Totals of the run so far, in seconds; whether `aside` has changed.

        They begin anew where another wafer process goes on with the run.
        """
        if seconds < self._seconds:
            self._seconds = self._stall = 0.0
        spent, waited = seconds - self._seconds, stall - self._stall
        if spent <= 0 or self._settled:
            return False
        self._seconds, self._stall = seconds, stall
        part = waited / spent
        if self.aside:
            self._settled = part > FALLS_BEHIND
            self.aside = not self._settled
            return self._settled
        self.aside = part < KEEPS_UP
        return self.aside
