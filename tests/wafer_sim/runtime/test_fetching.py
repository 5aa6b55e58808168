"""What is outside comes before its layer and goes after it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from wafer_sim.runtime.fetching import Fetcher, Pass

SECONDS = 10.0


class Told:
    """What happened, in order; a test may wait for it."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._changed = threading.Condition()

    def say(self, word: str) -> None:
        with self._changed:
            self.words.append(word)
            self._changed.notify_all()

    def hear(self, word: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: word in self.words, SECONDS), (word, self.words)


@dataclass(eq=False)
class Fake:
    """A piece that says what is done with it. gate: its fetch waits for it."""

    name: str
    told: Told
    bytes: int = 1
    gate: threading.Event | None = None
    problem: OSError | None = field(default=None)

    def fetch(self) -> None:
        self.told.say(f"begin {self.name}")
        if self.gate is not None:
            assert self.gate.wait(SECONDS)
        if self.problem is not None:
            raise self.problem
        self.told.say(f"fetch {self.name}")

    def drop(self) -> None:
        self.told.say(f"drop {self.name}")


def walk(fetcher: Fetcher, told: Told, layers: list[list[Fake]], rooms: list[int] | None = None) -> Pass:
    return fetcher.open(len(layers), lambda i: layers[i], rooms)


def test_layers_come_in_their_order_so_far_ahead_and_go_when_they_are_done() -> None:
    """With two layers ahead, the third one comes when the first one is entered, and no earlier."""
    told = Told()
    pieces = [Fake(name, told) for name in "abcd"]
    fetcher = Fetcher(ahead=2)
    steps = walk(fetcher, told, [[piece] for piece in pieces])
    told.hear("fetch b")
    assert "begin c" not in told.words
    steps.enter()
    told.hear("fetch c")
    assert [word for word in told.words if word.startswith("fetch")] == ["fetch a", "fetch b", "fetch c"]
    steps.leave()
    told.hear("drop a")
    steps.close()
    told.hear("drop c")
    fetcher.stop()


def test_what_the_next_layer_needs_too_stays() -> None:
    """A tensor of two neighbours comes once and goes once."""
    told = Told()
    shared, other = Fake("shared", told), Fake("other", told)
    fetcher = Fetcher(ahead=0)
    steps = walk(fetcher, told, [[shared], [shared, other], [other]])
    for _ in range(3):
        steps.enter()
        steps.leave()
    steps.close()
    assert [word for word in told.words if word.startswith("drop")] == ["drop shared", "drop other"]
    fetcher.stop()


def test_nothing_comes_ahead_that_has_no_room() -> None:
    """Held and coming bytes stay within the room of every layer up to the one that comes; what is entered has it."""
    told = Told()
    a, b, c = Fake("a", told, 4), Fake("b", told, 4), Fake("c", told, 4)
    fetcher = Fetcher(ahead=8)
    steps = walk(fetcher, told, [[a], [b], [c]], [9, 9, 7])
    steps.enter()
    told.hear("fetch b")
    assert "begin c" not in told.words
    steps.leave()
    steps.enter()
    assert "begin c" not in told.words
    steps.leave()
    told.hear("fetch c")
    assert told.words.index("drop b") < told.words.index("begin c")
    steps.close()
    fetcher.stop()


def test_who_enters_a_layer_that_is_just_coming_waits_for_it() -> None:
    """Else two threads would bring the same."""
    told, gate = Told(), threading.Event()
    fetcher = Fetcher(ahead=1)
    steps = walk(fetcher, told, [[Fake("a", told, gate=gate)]])
    told.hear("begin a")
    entered = threading.Thread(target=lambda: (steps.enter(), told.say("entered")))
    entered.start()
    gate.set()
    entered.join(SECONDS)
    assert told.words.index("fetch a") < told.words.index("entered")
    steps.close()
    fetcher.stop()


def test_two_replicas_hold_one_copy() -> None:
    """What one of them lets go stays as long as the other one holds it."""
    told = Told()
    piece = Fake("w", told)
    fetcher = Fetcher(ahead=0)
    one, two = walk(fetcher, told, [[piece]]), walk(fetcher, told, [[piece]])
    one.enter()
    two.enter()
    one.leave()
    assert not fetcher.is_free(piece)
    assert "drop w" not in told.words
    two.leave()
    assert fetcher.is_free(piece)
    assert told.words.count("drop w") == 1
    fetcher.stop()


def test_a_walk_that_is_closed_while_something_comes_lets_it_go_then() -> None:
    """Nothing stays that nobody will let go any more."""
    told, gate = Told(), threading.Event()
    fetcher = Fetcher(ahead=1)
    steps = walk(fetcher, told, [[Fake("a", told, gate=gate)]])
    told.hear("begin a")
    steps.close()
    gate.set()
    told.hear("drop a")
    fetcher.stop()


def test_a_disk_that_fails_is_told_to_who_needs_the_layer() -> None:
    """Not to the thread that brings it, and not never."""
    told = Told()
    fetcher = Fetcher(ahead=1)
    steps = walk(fetcher, told, [[Fake("a", told, problem=OSError(5, "Input/output error"))]])
    told.hear("begin a")
    with pytest.raises(OSError, match="Input/output"):
        steps.enter()
    steps.close()
    fetcher.stop()
