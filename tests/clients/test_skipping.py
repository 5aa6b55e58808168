"""What a run passes over."""

from __future__ import annotations

import pytest

from clients.input import LoaderInput, eval_plan, train_plan
from clients.sections import RunConfig, check
from clients.skipping import Range, ranges_from, skips_of
from wire.elements import ElementSpec
from wire.errors import InvalidInput

GOOD = {"model": {}, "optimizer": {"optimizer_type": "SGD", "learning_rate": 0.1}}


def config(**keys: object) -> RunConfig:
    return check({**GOOD, "runconfig": {"max_steps": 1, "cs_ip": "localhost", **keys}}, "p.yaml")


def problem(**keys: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        config(**keys)
    return caught.value.what


def pairs(skip: object, batch_size: int = 256) -> list[tuple[int, int]]:
    return [(s.first, s.last) for s in skips_of(config(skip=skip), batch_size)]


@pytest.mark.parametrize(
    ("skip", "steps"),
    [
        ([], []),
        (7, [(7, 7)]),
        ("7", [(7, 7)]),
        ("1200-1300", [(1200, 1300)]),
        (["1200-1300", 7], [(7, 7), (1200, 1300)]),
        ("samples 307201-332800", [(1201, 1300)]),
        ("samples 307200-332801", [(1200, 1301)]),
        ("samples 1", [(1, 1)]),
        ("samples 256-257", [(1, 2)]),
    ],
)
def test_ranges_become_steps_of_the_input(skip: object, steps: list[tuple[int, int]]) -> None:
    """Steps stay as they are, in order; samples, of which the first is 1, become the whole steps that hold them."""
    assert pairs(skip) == steps


def test_samples_become_the_whole_steps_that_hold_them() -> None:
    """In order; a range of samples may share a step with a range of steps (wafer_sim.run.skips joins them)."""
    assert pairs(["2-4", "samples 900-1100", "samples 10-20"]) == [(1, 1), (2, 4), (4, 5)]


def test_what_samples_come_to_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the steps, and the samples beyond those asked for; exact ranges need no such word."""
    with caplog.at_level("INFO", "clients"):
        skips_of(config(skip=["samples 300-600", "samples 1025-1280", 9]), 256)
    rounded, exact, steps = (record.getMessage() for record in caplog.records)
    assert "samples 300 to 600 of the input, that is steps 2 to 3: they hold samples 257 to 768" in rounded
    assert exact.endswith("that is step 5")
    assert "step 9" in steps


@pytest.mark.parametrize(
    ("skip", "words"),
    [
        ("5-3", "ends before it begins"),
        ("0-3", "the first one is 1"),
        (0, "the first one is 1"),
        (-4, "is neither"),
        (True, "is neither"),
        (1.5, "is neither"),
        ("batches 3-4", "is neither"),
        (["3-9", "9-12"], "steps 3 to 9 and steps 9 to 12 do"),
        (["samples 3-9", "samples 1-4"], "samples 1 to 4 and samples 3 to 9 do"),
    ],
)
def test_ranges_that_mean_nothing_are_refused(skip: object, words: str) -> None:
    """Order, overlap and forms are checked before anything runs, and the error says what may stand there."""
    what = problem(skip=skip)
    assert what.startswith(f"runconfig.skip is {skip!r}; it must be ")
    assert words in what


def test_a_typed_config_can_be_made_again() -> None:
    """Ranges that were read once are taken as they are."""
    assert ranges_from((Range(1, 2),)) == (Range(1, 2),)


def test_a_run_off_the_system_does_not_take_skip() -> None:
    """It would train on what was to be passed over; an evaluation and a validation do not train."""
    assert "without runconfig.cs_ip" in problem(skip=3, cs_ip=None)
    assert config(skip=3, cs_ip=None, mode="eval").skip
    assert config(skip=3, cs_ip=None, validate_only=True).skip


def source() -> LoaderInput:
    return LoaderInput(ElementSpec(()), 32, 1000, True, True, "", "rows")


def test_the_first_bad_sample_stops_a_run_unless_told_otherwise() -> None:
    """Without the keys a plan has no bounds within which bad samples are passed over."""
    assert not train_plan(source(), config(), 1).HasField("bad_samples")
    assert not eval_plan(source(), config(bad_samples="stop")).HasField("bad_samples")


def test_the_bounds_of_bad_samples_are_part_of_the_plan() -> None:
    """Skip alone has no bound; each bound is 0 where it is not given."""
    free = train_plan(source(), config(bad_samples="skip"), 1)
    assert free.HasField("bad_samples")
    assert (free.bad_samples.in_a_row, free.bad_samples.fraction) == (0, 0.0)
    bounds = config(bad_samples="skip", bad_samples_in_a_row=5, bad_samples_fraction=0.01)
    bounded = eval_plan(source(), bounds).bad_samples
    assert (bounded.in_a_row, bounded.fraction) == (5, 0.01)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"bad_samples": "ignore"}, "'stop' or 'skip'"),
        ({"bad_samples_in_a_row": 3}, "without runconfig.bad_samples: skip"),
        ({"bad_samples_fraction": 0.5, "bad_samples": "stop"}, "without runconfig.bad_samples: skip"),
        ({"bad_samples": "skip", "bad_samples_in_a_row": 0}, "greater than or equal to 1"),
        ({"bad_samples": "skip", "bad_samples_fraction": 1.5}, "less than or equal to 1"),
    ],
)
def test_bounds_that_bound_nothing_are_refused(keys: dict[str, object], words: str) -> None:
    """A bound without skip, an unknown word and a number outside of its range are found before anything runs."""
    assert words in problem(**keys)
