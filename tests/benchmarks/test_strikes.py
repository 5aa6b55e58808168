"""Who is struck and when."""

from __future__ import annotations

from benchmarks.faults.strikes import FROZEN, FROZEN_SECONDS, OVERLAP_SECONDS, PAUSE_SECONDS, SHARES, strikes


def test_a_seed_is_a_schedule() -> None:
    """The same seed gives the same strikes, another seed gives others."""
    assert strikes(7, 50) == strikes(7, 50)
    assert strikes(7, 50) != strikes(8, 50)


def test_as_many_strikes_as_asked_and_every_role_among_five() -> None:
    """No role is forgotten by chance, and a short schedule is short."""
    for seed in range(30):
        for count in (0, 1, 3, 5, 50):
            drawn = strikes(seed, count)
            assert [strike.number for strike in drawn] == list(range(count))
            assert len({strike.role for strike in drawn}) >= min(count, len(SHARES))


def test_moments_are_within_their_bounds() -> None:
    """The first strike overlaps none; some later ones do, sooner after the one before; only the frozen are thawed."""
    drawn = [strike for seed in range(20) for strike in strikes(seed, 50)]
    assert not any(strike.overlaps for strike in drawn if strike.number == 0)
    assert 0.1 < sum(strike.overlaps for strike in drawn) / len(drawn) < 0.3
    for strike in drawn:
        low, high = OVERLAP_SECONDS if strike.overlaps else PAUSE_SECONDS
        assert low <= strike.wait <= high
        assert 0 <= strike.choice < 1
        if strike.role == FROZEN:
            assert FROZEN_SECONDS[0] <= strike.frozen <= FROZEN_SECONDS[1]
        else:
            assert strike.frozen == 0


def test_roles_are_drawn_by_their_shares() -> None:
    """Workers are struck most often."""
    roles = [strike.role for seed in range(20) for strike in strikes(seed, 50)]
    for role, share in SHARES.items():
        assert abs(roles.count(role) / len(roles) - share / 50) < 0.06
