"""Problems found one after the other, told together: whoever ports a model mends them in one go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
        self._faults: dict[str, Fault] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Fault):
            for fault in _each(error):
                self._faults.setdefault(str(fault), fault)
            return True
        return False

    def __bool__(self) -> bool:
        """Whether there is a problem."""
        return bool(self._faults)

    def settle(self) -> None:
        """Raise what was found, each problem once: the problem itself, or Several."""
        faults = list(self._faults.values())
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise Several(faults)


@contextmanager
def located(where: str) -> Iterator[None]:
    """Problems that name no place get this one."""
    try:
        yield
    except Fault as error:
        for fault in _each(error):
            fault.where = fault.where or where
        raise


def _each(fault: Fault) -> Sequence[Fault]:
    return fault.faults if isinstance(fault, Several) else (fault,)
