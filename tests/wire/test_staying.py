"""What stays is not looked at by the collector, and what does not is collected as ever."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wire.staying import leave_as_it_is, staying


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """The collector as it is in a program, whatever a test before has left."""
    gc.unfreeze()
    yield
    gc.enable()


class Ring:
    """Part of a cycle: only the collector can take it apart."""

    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_collected_meanwhile_and_what_is_made_is_left_alone() -> None:
    """The collector is off inside; afterwards it is on, and does not look at what was made."""
    with staying():
        assert not gc.isenabled()
        made = Ring()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(known is made for known in gc.get_objects())


def test_what_is_made_later_is_collected() -> None:
    """A cycle of afterwards goes as it always did."""
    with staying():
        pass
    Ring()
    assert gc.collect() > 0


def test_it_ends_as_it_began_after_an_error_too() -> None:
    """An import that fails leaves the collector on; one within a caller who wants it off leaves it off."""
    with pytest.raises(ImportError), staying():
        raise ImportError
    assert gc.isenabled()
    with staying():
        with staying():
            pass
        assert not gc.isenabled()


def test_a_program_ends_without_a_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there when the interpreter ends is frozen."""
    at_end: list[Callable[[], Any]] = []
    monkeypatch.setattr(atexit, "register", at_end.append)
    leave_as_it_is()
    assert gc.get_freeze_count() == 0
    for call in at_end:
        call()
    assert gc.get_freeze_count() > 0
