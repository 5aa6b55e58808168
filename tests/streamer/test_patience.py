"""Patience: when a worker tries again, and when it gives up."""

from __future__ import annotations

from streamer.patience import OFTEN, OFTEN_SECONDS, PATIENCE_SECONDS, Patience


def test_pauses_grow_to_a_bound_and_begin_anew() -> None:
    """A coordinator that is back for a moment is looked for as eagerly as the first time."""
    patience = Patience()
    assert [patience.after_silence(0.0) for _ in range(6)] == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    patience.registered()
    assert patience.after_silence(10.0) == 0.2


def test_patience_ends_once_the_coordinator_has_been_gone_for_long() -> None:
    """Counted from the first silence, not from the last try; an answer in between starts it afresh."""
    patience = Patience()
    assert not patience.over(1e9)
    patience.after_silence(5.0)
    patience.after_silence(200.0)
    assert not patience.over(4.9 + PATIENCE_SECONDS)
    assert patience.over(5.0 + PATIENCE_SECONDS)
    patience.registered()
    assert not patience.over(1e9)


def test_a_dismissed_worker_registers_at_once_but_not_for_ever() -> None:
    """The fifth time within seconds it waits; dismissals that are far apart never make it wait."""
    patience = Patience()
    assert [patience.after_dismissal(float(at)) for at in range(OFTEN)] == [0.0] * (OFTEN - 1) + [2.0]
    far = Patience()
    assert {far.after_dismissal(at * OFTEN_SECONDS) for at in range(3 * OFTEN)} == {0.0}
