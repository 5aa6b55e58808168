"""A tf.data pipeline as stages: what each is, and which line of the user's made it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.data.ops.dataset_ops import DatasetV2

from streamer.advice import Stage
from streamer.advice.review import watching
from streamer.sources.tf_lines import Line, noted
from streamer.sources.tf_stages import is_pure, stages_of


def stages(make: Callable[[], Any]) -> list[Stage]:
    lines: dict[int, Line] = {}
    with noted(lines):
        dataset = make()
    return stages_of(dataset, lines)


def here(back: int = 0) -> str:
    """The line that calls this, or one some lines before it."""
    return f"{Path(__file__).name}:{sys._getframe(1).f_lineno - back}"


def test_each_stage_has_its_own_line() -> None:
    """A chain over several lines has as many; a function from elsewhere counts where it calls."""
    made: dict[str, str] = {}

    def pipeline() -> Any:
        made["batch"] = here(-4)
        return (
            tf.data.Dataset.range(12)
            .shuffle(5)
            .batch(4, drop_remainder=True)
            .map(lambda x: x, num_parallel_calls=2)
            .repeat()
        )

    found = {stage.kind: stage for stage in stages(pipeline)}
    assert list(found) == ["source", "shuffle", "batch", "map", "repeat"]
    assert found["batch"].where == made["batch"]
    assert (found["shuffle"].size, found["shuffle"].inputs, found["batch"].size) == (5, 12, 4)
    assert found["map"].parallel


def test_what_a_library_makes_in_itself_is_nobodys_line(tmp_path: Path) -> None:
    """list_files shuffles, make_csv_dataset batches, from_generator is a flat_map: none is the user's."""
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    listed = stages(lambda: tf.data.Dataset.list_files(str(tmp_path / "*.csv")))
    csv = stages(lambda: tf.data.experimental.make_csv_dataset(str(tmp_path / "a.csv"), 2))
    spec = tf.TensorSpec((), tf.int32)
    generated = stages(lambda: tf.data.Dataset.from_generator(lambda: iter([1]), output_signature=spec))
    assert [stage.kind for stage in listed] == ["source", "shuffle"]
    assert {"shuffle", "batch", "prefetch"} <= {stage.kind for stage in csv}
    assert "flat_map" in {stage.kind for stage in generated}
    assert {stage.where for stage in (*listed, *csv, *generated)} == {""}


def test_readers_of_files_are_the_users() -> None:
    """Made by their class, or by the function of an interleave."""
    (_, read) = stages(lambda: tf.data.TFRecordDataset(["a", "b"]))
    assert (read.kind, read.inputs, read.parallel) == ("read", 2, False)
    assert read.where
    names = ["a", "b", "c"]
    files = lambda: tf.data.Dataset.from_tensor_slices(names).repeat()  # noqa: E731 - made anew in each pipeline
    (*_, turns) = stages(lambda: files().interleave(tf.data.TextLineDataset, cycle_length=2))
    assert (turns.kind, turns.cycle, turns.inputs, turns.reads, turns.parallel) == ("interleave", 2, 3, True, False)
    (*_, alone) = stages(lambda: tf.data.TFRecordDataset(["a", "b"], num_parallel_reads=2))
    assert alone.parallel


@pytest.mark.parametrize(
    ("function", "python", "random", "parses", "pure"),
    [
        (tf.strings.length, False, False, False, True),
        (lambda x: tf.numpy_function(len, [x], tf.int64), True, False, False, False),
        (lambda x: tf.strings.length(x) + tf.random.uniform((), 0, 9, tf.int32), False, True, False, False),
        (
            lambda x: tf.io.parse_single_example(x, {"x": tf.io.FixedLenFeature([], tf.int64)}),
            False,
            False,
            True,
            True,
        ),
    ],
    ids=["tensorflow", "python", "random", "parses"],
)
def test_what_is_in_a_function_is_seen(function: Any, python: bool, random: bool, parses: bool, pure: bool) -> None:
    """Without calling it."""
    made = tf.data.Dataset.from_tensor_slices(["a"]).map(function)
    stage = stages_of(made, {})[-1]
    assert (stage.python, stage.random, stage.parses, is_pure(made)) == (python, random, parses, pure)


def test_datasets_of_version_1_are_seen_through() -> None:
    """Their adapter is no stage."""
    found = stages(lambda: tf.compat.v1.data.Dataset.from_tensor_slices([1, 2]).map(lambda x: x + 1))
    assert [stage.kind for stage in found] == ["source", "map"]
    assert found[-1].where


def test_datasets_are_as_they_were_afterwards() -> None:
    """Also where the user's function raises."""
    made = DatasetV2.__init__
    with pytest.raises(ZeroDivisionError), watching():
        raise ZeroDivisionError
    assert DatasetV2.__init__ is made
