"""Measuring what a stage costs: on made-up samples, in bounded time, and only where it can be moved."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from streamer.advice import Rates
from streamer.advice.review import review, watching
from streamer.advice.wording import lines_of
from streamer.sources import tf_trial
from streamer.sources.tf_lines import Line, noted
from streamer.sources.tf_stages import stages_of

ROWS = np.zeros((64, 16), np.uint8)
WINDOW = 0.02


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf_trial, "_ONE", WINDOW)


def rates(begin: Any, *functions: Any) -> list[Rates | None]:
    """Of a pipeline of these maps, then a batch of 32."""
    lines: dict[int, Line] = {}
    with noted(lines):
        dataset = begin()
        for function in functions:
            dataset = dataset.map(function)
        dataset = dataset.batch(32)
    found = tf_trial.measured(dataset, stages_of(dataset, lines))
    return [stage.rates for stage in found if stage.kind in ("map", "prefetch")]


def rows() -> Any:
    return tf.data.Dataset.from_tensor_slices(ROWS)


def test_a_map_that_takes_batches_as_it_is() -> None:
    """A cast and a product give the same for many samples at once."""
    (found,) = rates(rows, lambda x: tf.cast(x, tf.float32) * 2)
    assert found is not None
    assert found.batch == 32
    assert found.by == "map() with the function as it is"
    assert found.in_batches > 0 < found.as_it_is


def test_a_map_that_takes_batches_when_vectorized() -> None:
    """A sum over all of a sample gives something else for a batch, unless TensorFlow rewrites it."""
    (found,) = rates(rows, lambda x: tf.reduce_sum(tf.cast(x, tf.float32)))
    assert found is not None
    assert "vectorized_map" in found.by


def _random(x: Any) -> Any:
    return tf.cast(x, tf.float32) + tf.random.uniform(())


def _fails(x: Any) -> Any:
    return tf.gather([1.0], tf.cast(x, tf.int32) + 7)


@pytest.mark.parametrize(
    "function",
    [_random, _fails, lambda x: tf.numpy_function(np.negative, [x], tf.uint8), tf.strings.as_string],
    ids=["random", "fails", "python", "strings"],
)
def test_what_cannot_be_measured_has_no_rates(function: Any) -> None:
    """Random numbers, Python, samples of other kinds, and functions that do not like what is made up."""
    assert rates(rows, function) == [None]


def test_a_map_stays_before_one_that_stays() -> None:
    """A cast cannot be moved past a map that draws random numbers; what comes after that one can."""
    first, drawn, last = rates(rows, lambda x: x + 1, _random, lambda x: x * 2)
    assert first is None
    assert drawn is None
    assert last is not None


def test_a_prefetch_of_samples_is_measured() -> None:
    """Also where its function is no matter: it has none."""
    (found,) = rates(lambda: rows().prefetch(2))
    assert found is not None
    assert found.in_batches > 0 < found.as_it_is


def test_nothing_of_the_users_is_read(tmp_path: Path) -> None:
    """The samples of this pipeline are in a file that is not there."""

    def missing() -> Any:
        records = tf.data.FixedLengthRecordDataset([str(tmp_path / "none")], 4)
        return records.map(lambda x: tf.cast(tf.strings.length(x), tf.float32))

    unknown, found = rates(missing, lambda x: x * 2)
    assert unknown is None
    assert found is not None


def test_a_slow_function_is_given_up_after_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring it would take longer than anybody waits for."""
    monkeypatch.setattr(tf_trial, "_SLOWEST", 1e-9)
    assert rates(rows, lambda x: x + 1) == [None]


def test_random_numbers_of_the_process_are_untouched() -> None:
    """What the user's own code draws later is what it would have drawn."""
    lines: dict[int, Line] = {}
    with noted(lines):
        dataset = rows().map(lambda x: x + np.random.randint(9) * random.randint(0, 9)).batch(32)
    before = random.getstate(), np.random.get_state()[1].tolist()
    assert tf_trial.measured(dataset, stages_of(dataset, lines))[1].rates is not None
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_nothing_is_begun_when_time_is_over() -> None:
    """Then a remark is not made, rather than a number invented."""
    lines: dict[int, Line] = {}
    with noted(lines):
        dataset = rows().map(lambda x: x + 1).batch(32)
    assert [s.rates for s in tf_trial.measured(dataset, stages_of(dataset, lines), 0.0)] == [None] * 3


def test_the_report_on_a_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the user's function to the lines that are printed, with their line and the rates."""
    taking = {"_BatchDataset": 10.0, "_ParallelMapDataset": 20.0}  # samples one by one, and whole batches
    monkeypatch.setattr(tf_trial, "_rate", lambda dataset: taking[type(dataset).__name__])
    with watching() as watched:
        dataset = rows().repeat().map(lambda x: tf.cast(x, tf.float32)).batch(32, drop_remainder=True).shuffle(4)
    said = "\n".join(lines_of(review(dataset, watched, None, "train_input")))
    assert "test_tf_trial.py:" in said
    assert "map() before batch()" in said
    assert "Gain: this map() alone, in batches of 32: 320 samples/s as it is, 640 behind batch()" in said
    assert "shuffle() behind batch()" in said


def test_nothing_is_said_of_what_is_not_the_users() -> None:
    """A dataset that a library made as a whole, and a loader that is no dataset."""
    dataset = rows().batch(4)
    with watching() as watched:
        assert review(dataset, watched, None, "train_input") is None
    assert review([1, 2], watched, None, "train_input") is None
