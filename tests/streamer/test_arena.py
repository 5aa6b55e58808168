"""Places in shared memory."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.arena import ALIGNMENT, Arena, Places
from wire.elements import ElementSpec, Field
from wire.payload import layout_of

SIZE = 4096
SPEC = ElementSpec((Field("x", "float32", (3,)), Field("y", "uint8")))
TAKES = st.tuples(st.just("take"), st.integers(1, SIZE + ALIGNMENT))
SENDS = st.tuples(st.sampled_from(["send", "send nothing", "drop"]), st.just(0))
FREES = st.tuples(st.just("free"), st.integers(1, 3))


@given(st.lists(TAKES | SENDS | FREES))
def test_places_never_overlap(moves):
    """Property: what is taken lies inside the memory, aligned, and apart from all that was not dropped or freed."""
    places, taken, sent = Places(SIZE), [], []
    for what, number in moves:
        if what == "free":
            places.free(number)
            del sent[:number]
        elif what == "send nothing":
            places.send(None)
            sent.append(None)
        elif what == "take" and (place := places.take(number)) is not None:
            assert place % ALIGNMENT == 0
            assert place + number <= SIZE
            assert all(place + number <= first or stop <= place for first, stop in (*taken, *filter(None, sent)))
            taken.append((place, place + number))
        elif what == "send" and taken:
            places.send(taken[0][0])
            sent.append(taken.pop(0))
        elif what == "drop" and taken:
            places.drop(taken.pop()[0])


@given(st.lists(st.integers(1, SIZE), min_size=1))
def test_room_comes_back(sizes):
    """Property: once all is freed, whatever fits into the memory fits again."""
    places = Places(SIZE)
    for size in sizes:
        places.send(places.take(size))
    places.free(len(sizes))
    assert places.take(SIZE) == 0


def test_the_lowest_place_is_taken_first():
    """What was freed is written again before memory that was never touched."""
    places = Places(SIZE)
    for size, place in ((64, 0), (100, 64), (1000, 192)):
        assert places.take(size) == place
        places.send(place)
    places.free(1)
    assert [places.take(65), places.take(64), places.take(SIZE)] == [1216, 0, None]
    places.free(3)
    assert places.take(1024) == 64


def test_an_arena_gives_the_memory_itself():
    """What is written there is seen by whoever shares it; what had no place counts as sent."""
    memory = np.zeros(SIZE, np.uint8)
    arena = Arena(memory)
    arena.place(10)
    place, room = arena.place(3)
    room[:] = [1, 2, 3]
    assert memory[place : place + 3].tolist() == [1, 2, 3]
    assert arena.place(SIZE) is None
    arena.landed(3)
    assert arena.place(SIZE) is not None


def test_rooms_are_free_once_their_frames_have_landed():
    """One that was not sent stays, however much has landed; one that was dropped is free at once."""
    memory = np.zeros(SIZE, np.uint8)
    arena = Arena(memory)
    layout = layout_of(SPEC, 40)
    first, second, third = (arena.room(layout, 1) for _ in range(3))
    first.columns["x"][:] = 7.0
    assert (memory[: layout.size].view() != 0).any()
    arena.send(first)
    arena.drop(third)
    assert arena.room(layout, 1).place == third.place
    arena.landed(5)
    assert arena.room(layout, 1).place == first.place
    assert arena.room(layout_of(SPEC, SIZE), 1) is None
    assert second.place not in (first.place, third.place)
