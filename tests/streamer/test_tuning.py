"""Tuning: within the byte budget, to an end, and without turning back and forth."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.tuning import (
    DEFAULT_PREFETCH,
    LEAST_PREFETCH,
    MESSAGE_BYTES,
    MOST_MESSAGE_BYTES,
    Observation,
    Settings,
    Totals,
    Tuning,
)

MIB = 2**20
seconds = st.floats(0, 20)
totals = st.builds(
    Totals,
    batches=st.integers(0, 10_000),
    nbytes=st.integers(0, 2**34),
    starved=seconds,
    blocked=seconds,
    messages=st.integers(0, 10_000),
    sent=st.integers(0, 2**34),
    sending=seconds,
)
observations = st.builds(Observation, streams=st.integers(1, 16), seconds=st.floats(0.1, 10), did=totals)


def walk(tuning: Tuning, seen: list[Observation]) -> list[Tuning]:
    """Where the tuning stands before and after each observation."""
    path = [tuning]
    for each in seen:
        path.append(path[-1].after(each))
    return path


def observed(*, starved: float = 0.0, blocked: float = 0.0, sending: float = 0.0, sent: int = 400 * MIB) -> Observation:
    """A second of two streams with batches of 1 MiB in full messages."""
    return Observation(2, 1.0, Totals(400, 400 * MIB, starved, blocked, 25, sent, sending))


@given(st.lists(observations, min_size=1, max_size=30))
def test_what_is_ready_stays_within_the_budget(seen: list[Observation]) -> None:
    """Whatever comes: the average batch times depth times streams, but for two batches in each stream."""
    for each, tuning in zip(seen, walk(Tuning(), seen)[1:], strict=True):
        did, depth = each.did, tuning.settings.prefetch
        if did.batches and did.messages and depth > LEAST_PREFETCH:
            assert did.nbytes / did.batches * depth * each.streams <= tuning.budget * (1 + 1e-9)
        assert depth >= LEAST_PREFETCH
        assert MESSAGE_BYTES <= tuning.settings.message_bytes <= MOST_MESSAGE_BYTES


@given(observations)
def test_it_settles_and_does_not_turn_back_and_forth(seen: Observation) -> None:
    """The same second again and again: within twelve of them nothing changes any more, and nothing comes twice."""
    path = [tuning.settings for tuning in walk(Tuning(), [seen] * 24)]
    assert len(set(path[12:])) == 1
    depths = [settings.prefetch for settings in path]
    assert depths[1:] == sorted(depths[1:])
    sizes = [settings.message_bytes for settings in path]
    turns = sum(b < a for a, b in pairwise(sizes))
    assert turns <= 1


@given(st.lists(observations, max_size=60))
def test_a_larger_message_is_given_up_once(seen: list[Observation]) -> None:
    """Whatever comes, the size goes back by one step at most, and never changes after that."""
    sizes = [tuning.settings.message_bytes for tuning in walk(Tuning(), seen)]
    back = [at for at, (a, b) in enumerate(pairwise(sizes)) if b < a]
    assert len(back) <= 1
    assert not back or len(set(sizes[back[0] + 1 :])) == 1


def test_bursts_want_room() -> None:
    """Where push and pipeline both wait there is more room each time, up to the budget: 64 batches of 1 MiB each."""
    path = walk(Tuning(), [observed(starved=0.4, blocked=0.4)] * 5)
    assert [tuning.settings.prefetch for tuning in path] == [DEFAULT_PREFETCH, 64, 64, 64, 64, 64]


def test_one_side_that_waits_alone_wants_none() -> None:
    """A slow input and a slow consumer are left as they are."""
    for one in (observed(starved=1.9), observed(blocked=1.9)):
        assert Tuning().after(one).settings == Settings()


def test_a_larger_message_is_kept_where_more_went_through() -> None:
    """Twice the size at 1.2 times the rate stays; another at the same rate goes back, and that was the last one."""
    busy, better = observed(sending=1.0), observed(sending=1.0, sent=480 * MIB)
    tuning = walk(Tuning(), [busy, better])[-1]
    assert tuning.settings.message_bytes == 2 * MESSAGE_BYTES
    path = walk(tuning, [better, better, better, better])
    assert [each.settings.message_bytes // MESSAGE_BYTES for each in path] == [2, 4, 2, 2, 2]


def test_nothing_seen_changes_nothing() -> None:
    """A second in which nothing was made, or nothing was sent, says nothing."""
    tuning = Tuning()
    assert tuning.after(Observation(1, 1.0, Totals(starved=1.0, blocked=1.0))) is tuning
