"""Credits at the sender: what may go, and when."""

from __future__ import annotations

import threading

from streamer.credits import Credits


def test_batches_and_bytes_are_both_needed() -> None:
    """How many batches may go is said as long as any byte may; a message may overdraw the bytes, and is paid back."""
    credit = Credits()
    credit.grant(4, 100)
    assert credit.wait() == 4
    credit.spend(1, 250)
    woken: list[int] = []
    waiter = threading.Thread(target=lambda: woken.append(credit.wait()), daemon=True)
    waiter.start()
    credit.grant(0, 150)
    assert woken == []
    credit.grant(0, 1)
    waiter.join(20)
    assert woken == [3]


def test_closing_wakes_whoever_waits_and_lets_nothing_go() -> None:
    """0 is the end, also with credit left."""
    credit = Credits()
    woken: list[int] = []
    waiter = threading.Thread(target=lambda: woken.append(credit.wait()), daemon=True)
    waiter.start()
    credit.close()
    waiter.join(20)
    assert woken == [0]
    credit.grant(5, 5)
    assert credit.wait() == 0
