"""Problems found one after the other, told together: whoever ports a model mends them in one go."""

from __future__ import annotations

from collections.abc import Sequence

from wire.errors import Fault, InvalidInput


class Several(InvalidInput):
    """More problems than one, none of which follows from another."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} problems: " + "; ".join(map(str, faults)))
        self.faults = tuple(faults)

    def screen(self) -> str:
        """One short paragraph each."""
        return "\n".join(fault.screen() for fault in self.faults)


class Findings:
    """`with findings:` around each of several looks that do not need each other; a problem ends its own look only."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Fault):
            self._faults.append(error)
            return True
        return False

    def __bool__(self) -> bool:
        """Whether there is a problem."""
        return bool(self._faults)

    def settle(self) -> None:
        """Raise what was found: the problem itself, or Several."""
        if len(self._faults) == 1:
            raise self._faults[0]
        if self._faults:
            raise Several(self._faults)
