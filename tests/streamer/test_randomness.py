"""Random numbers of user code: readers draw their own, and nobody draws between them."""

from __future__ import annotations

import random
import threading

from streamer.randomness import Randomness, undisturbed


def test_who_draws_outside_of_readers_takes_a_turn() -> None:
    """It waits for the reader in hand, draws from the process's own state, and changes nobody's numbers."""
    alone = Randomness(1)
    with alone.held():
        expected = [random.random(), random.random()]
    reader, begun, go_on, drawn = Randomness(1), threading.Event(), threading.Event(), []

    def draw() -> None:
        with undisturbed():
            drawn.append(random.random())

    def read() -> None:
        with reader.held():
            drawn.append(random.random())
            begun.set()
            assert go_on.wait(5)
            drawn.append(random.random())

    random.seed(7)
    reading = threading.Thread(target=read)
    reading.start()
    assert begun.wait(5)
    outside = threading.Thread(target=draw)
    outside.start()
    outside.join(0.05)
    go_on.set()
    reading.join(5)
    outside.join(5)
    assert drawn == [*expected, random.Random(7).random()]
