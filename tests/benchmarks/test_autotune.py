"""The benchmark of the tuning: what it concludes from pairs, and that its inputs are what it says."""

from __future__ import annotations

from benchmarks.autotune import figures_of, inputs


def test_a_loss_within_noise_is_met_and_one_beyond_it_is_not() -> None:
    """By the median of the ratios, pair by pair."""
    assert [figure.met for figure in figures_of("x", [(100.0, 96.0), (100.0, 60.0), (50.0, 50.0)])][-1]
    assert figures_of("x", [(100.0, 94.0), (100.0, 93.0), (50.0, 50.0)])[-1].met is False


def test_its_inputs_are_a_cheap_one_and_one_that_thinks() -> None:
    """Both are read by row; the second one by a loader that the workers bring."""
    cheap, slow = (source for source, _ in inputs().values())
    assert (cheap.batch_size, cheap.loader) == (256, ())
    assert (slow.batch_size, slow.rows) == (32, 60_000)
    assert "--data" in slow.loader
