"""What is said of a tf.data pipeline, from its stages alone."""

from __future__ import annotations

import pytest

from streamer.advice import Rates, Stage
from streamer.advice.pipelines import one_by_one, remarks_on

SOURCE = Stage("source")
MAP = Stage("map", "d.py:3", inputs=60)
BATCH = Stage("batch", "d.py:5", size=20)
SHUFFLE = Stage("shuffle", "d.py:4", size=1000, inputs=1000)
REPEAT = Stage("repeat", "d.py:6")
PREFETCH = Stage("prefetch", "d.py:9")
TURNS = Stage("interleave", "d.py:3", cycle=4, parallel=True, reads=True)


def said(*stages: Stage) -> list[tuple[str, str]]:
    return [(remark.where, remark.what) for remark in remarks_on(stages)]


def test_a_pipeline_in_good_order_is_left_alone() -> None:
    """Shuffled, batched, mapped a batch at a time, repeated and prefetched."""
    assert said(SOURCE, SHUFFLE, BATCH, MAP, REPEAT, PREFETCH) == []


@pytest.mark.parametrize(
    ("stages", "where", "what"),
    [
        ((SOURCE, MAP, Stage("shard", "d.py:4"), BATCH), "d.py:4", "shard() behind map()"),
        ((SOURCE, Stage("interleave", inputs=8), Stage("shard", "d.py:4")), "d.py:4", "shard() behind interleave()"),
        ((SOURCE, BATCH, Stage("shuffle", "d.py:6", size=9)), "d.py:6", "shuffle() behind batch()"),
        ((SOURCE, Stage("shuffle", "d.py:4", size=20), BATCH), "d.py:4", "shuffle(20)"),
        ((SOURCE, REPEAT, Stage("cache", "d.py:7")), "d.py:7", "cache() behind repeat()"),
        ((SOURCE, SHUFFLE, Stage("cache", "d.py:7")), "d.py:7", "cache() behind shuffle()"),
        ((Stage("flat_map", "d.py:2", inputs=4, reads=True),), "d.py:2", "flat_map() over files"),
        ((Stage("interleave", "d.py:2", cycle=1, inputs=4, reads=True),), "d.py:2", "interleave(cycle_length=1)"),
        ((Stage("interleave", "d.py:2", cycle=-1),), "d.py:2", "interleave() without a cycle_length"),
        ((Stage("interleave", "d.py:2", cycle=4, reads=True),), "d.py:2", "interleave() without num_parallel_calls"),
        ((Stage("read", "d.py:2", inputs=3),), "d.py:2", "3 files without num_parallel_reads"),
        ((Stage("map", "d.py:3", python=True), BATCH), "d.py:3", "Python in a map() of single samples"),
        (
            (Stage("map", "d.py:3", random=True), Stage("cache", "d.py:4")),
            "d.py:4",
            "cache() behind a map() that draws",
        ),
        (
            (Stage("map", "d.py:3", parses=True), BATCH),
            "d.py:3",
            "parse_single_example() in a map() of single samples",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_costs_is_named_with_its_line(stages: tuple[Stage, ...], where: str, what: str) -> None:
    """One remark, at the user's line of the stage that is to be changed."""
    ((line, said_of),) = said(*stages, PREFETCH)
    assert line == where
    assert said_of.startswith(what)


@pytest.mark.parametrize(
    "stages",
    [
        (SOURCE, Stage("shuffle"), Stage("shard", "d.py:4"), BATCH),  # as list_files shuffles the names of files
        (Stage("read", "d.py:2", inputs=1), Stage("shard", "d.py:4")),  # one file can be cut by records only
        (SOURCE, Stage("shuffle", "d.py:4", size=20, inputs=20), BATCH),
        (SOURCE, BATCH, Stage("unbatch", "d.py:6"), Stage("shuffle", "d.py:7", size=1000)),
        (Stage("flat_map", "d.py:2", inputs=1, reads=True),),
        (Stage("flat_map", "d.py:2", inputs=4),),
        (Stage("flat_map", "d.py:2", inputs=4, reads=True, python=True),),  # workers run Python one call at a time
        (Stage("flat_map", inputs=4, reads=True),),
        (Stage("interleave", "d.py:2", cycle=4, parallel=True, reads=True),),
        (Stage("interleave", "d.py:2", cycle=1, inputs=4),),  # of no files
        (SHUFFLE, Stage("shard", "d.py:4"), TURNS),  # names of files are shuffled and sharded
        (Stage("shuffle", "d.py:2", size=4, inputs=9), TURNS, BATCH),  # names, not samples
        (SHUFFLE, TURNS, Stage("cache", "d.py:4"), SHUFFLE),
        (BATCH, Stage("flat_map", "d.py:6"), Stage("shuffle", "d.py:7", size=1000)),
        (Stage("map", "d.py:3", parses=True), Stage("filter", "d.py:4"), BATCH),
        (Stage("read", "d.py:2", inputs=3, parallel=True),),
        (BATCH, Stage("map", "d.py:6", python=True)),
        (Stage("map", "d.py:3", random=True), Stage("shuffle", "d.py:4", size=100), BATCH),
        (MAP, BATCH),  # not measured
    ],
)
def test_what_costs_nothing_or_is_not_the_users_is_left_alone(stages: tuple[Stage, ...]) -> None:
    """No false alarm: a library's stages, what cannot be changed, and what nobody measured."""
    assert said(*stages, PREFETCH) == []


def test_a_map_is_moved_for_a_measured_gain_only() -> None:
    """The remark holds the two rates; a gain of less than a half is none."""
    quick = Stage("map", "d.py:3", rates=Rates(20, 1000.0, 9000.0, "map(f)"))
    (remark,) = remarks_on((quick, BATCH))
    assert "batch first (d.py:5), then map(f)" in remark.instead
    assert remark.gain == "this map() alone, in batches of 20: 1,000 samples/s as it is, 9,000 behind batch()"
    assert said(Stage("map", "d.py:3", rates=Rates(20, 1000.0, 1400.0)), BATCH) == []


def test_a_prefetch_of_samples_is_moved_for_a_measured_gain_only() -> None:
    """It hands over each sample; one of batches is at its place."""
    early = Stage("prefetch", "d.py:3", rates=Rates(20, 1000.0, 9000.0))
    assert said(early, BATCH) == [("d.py:3", "prefetch() of single samples")]
    assert said(Stage("prefetch", "d.py:3", rates=Rates(20, 1000.0, 1100.0)), BATCH) == []


def test_what_could_be_moved_behind_a_batch() -> None:
    """Maps and prefetches before it, the last one first; not those before a filter, a cache or a map that must stay."""
    stages = (MAP, Stage("filter", "d.py:4"), MAP, SHUFFLE, PREFETCH, BATCH, MAP)
    assert [number for number, _ in one_by_one(stages)] == [4, 2]
    assert list(one_by_one((MAP, Stage("cache", "d.py:4"), BATCH))) == []
    assert list(one_by_one((MAP, Stage("map", "d.py:4", python=True), BATCH))) == []
    assert list(one_by_one((MAP, Stage("batch", size=20)))) == []
