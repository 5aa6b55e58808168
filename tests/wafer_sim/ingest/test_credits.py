"""Credits never exceed the window and never run dry for ever."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.ingest.credits import CreditWindow

SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=200)


@given(SIZES, st.integers(1, 40), st.integers(1, 1000), st.randoms(use_true_random=False))
def test_a_sender_that_keeps_to_its_credit_is_never_stuck(sizes: list[int], batches: int, nbytes: int, random) -> None:
    """Whatever the batch sizes and the pace of the replica, all batches pass and at most a window of them is held."""
    window = CreditWindow(batches, nbytes)
    credit, credit_bytes = window.reopen()
    held: deque[int] = deque()
    left = deque(sizes)
    while left or held:
        can_send = bool(left) and credit > 0 and credit_bytes > 0
        assert can_send or held, "nothing can be sent and nothing is left to take"
        if can_send and (not held or random.random() < 0.5):
            size = left.popleft()
            window.entered(size)
            held.append(size)
            credit, credit_bytes = credit - 1, credit_bytes - size
        else:
            grant = window.taken(held.popleft())
            if grant:
                credit, credit_bytes = credit + grant[0], credit_bytes + grant[1]
        assert len(held) <= batches


@given(SIZES, st.integers(0, 100))
def test_a_new_sender_gets_what_the_window_has_left(sizes: list[int], taken: int) -> None:
    """After a change of host the credits are the window less what is held, whatever the old host had used."""
    window = CreditWindow(256, 1 << 20)
    window.reopen()
    for size in sizes:
        window.entered(size)
    for size in sizes[:taken]:
        window.taken(size)
    held = sizes[taken:]
    assert window.reopen() == (256 - len(held), (1 << 20) - sum(held))


def test_grants_are_gathered_into_lumps() -> None:
    """No grant is made for a single small batch of a large window; a quarter of the window is granted at once."""
    window = CreditWindow(32, 1 << 20)
    grants = []
    for _ in range(16):
        window.entered(10)
        grants.append(window.taken(10))
    assert grants == [None] * 7 + [(8, 80)] + [None] * 7 + [(8, 80)]
