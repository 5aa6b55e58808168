"""Places in shared memory."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.arena import ALIGNMENT, Arena, Places

SIZE = 4096
TAKES = st.tuples(st.just("take"), st.integers(1, SIZE + ALIGNMENT))
FREES = st.tuples(st.just("free"), st.integers(1, 3))


@given(st.lists(TAKES | FREES))
def test_places_never_overlap(moves):
    """Property: what is taken lies inside the memory, aligned, and apart from all that was not freed before."""
    places, taken = Places(SIZE), []
    for what, number in moves:
        if what == "free":
            places.free(number)
            del taken[:number]
            continue
        place = places.take(number)
        if place is not None:
            assert place % ALIGNMENT == 0
            assert place + number <= SIZE
            assert all(place + number <= first or stop <= place for first, stop in filter(None, taken))
        taken.append(place if place is None else (place, place + number))


@given(st.lists(st.integers(1, SIZE), min_size=1))
def test_room_comes_back(sizes):
    """Property: once all is freed, whatever fits into the memory fits again."""
    places = Places(SIZE)
    for size in sizes:
        places.take(size)
    places.free(len(sizes))
    assert places.take(SIZE) == 0


def test_the_lowest_place_is_taken_first():
    """What was freed is written again before memory that was never touched; what has no room waits in its turn."""
    places = Places(SIZE)
    assert [places.take(64), places.take(100), places.take(1000)] == [0, 64, 192]
    places.free(1)
    assert [places.take(65), places.take(64)] == [1216, 0]
    assert places.take(SIZE) is None
    places.free(3)
    assert places.take(SIZE) is None
    places.free(3)
    assert places.take(SIZE) == 0


def test_an_arena_gives_the_memory_itself():
    """What is written there is seen by whoever shares it."""
    memory = np.zeros(SIZE, np.uint8)
    arena = Arena(memory)
    arena.place(10)
    place, room = arena.place(3)
    room[:] = [1, 2, 3]
    assert memory[place : place + 3].tolist() == [1, 2, 3]
    assert arena.place(SIZE) is None
    arena.landed(3)
    assert arena.place(SIZE) is not None
