"""Sharding a tf.data pipeline: who shards, and that S streams together give each sample of a pass once."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.input_function import InputFunction
from streamer.pipeline import Input, StreamSettings, loader_input
from streamer.sources import Shard
from wire.cursor import Cursor
from wire.errors import Fault

ROWS, BATCH, FILES = 12, 4, 5
ALL = FILES * ROWS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Five files of twelve numbers each; file f has f * 12 and those after it."""
    folder = tmp_path_factory.mktemp("records")
    paths = [str(folder / f"{number}.tfrecord") for number in range(FILES)]
    for number, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for row in range(ROWS):
                writer.write(str(number * ROWS + row).encode())
    return paths


def _number(text):
    return tf.strings.to_number(text, tf.int64)


def _read(path):
    return tf.data.TFRecordDataset(path).map(_number)


def _alone(row):
    return tf.data.Dataset.range(row, row + 1)


def _mean():
    return tf.data.Dataset.range(ALL).reduce(np.int64(0), lambda total, row: total + row)


def _without(mean):
    return _batches(tf.data.Dataset.range(ALL).map(lambda row: row + 0 * mean).repeat())


def _batches(dataset):
    return dataset.batch(BATCH, drop_remainder=True).prefetch(2)


FROM_FILES = {
    "records": lambda files: _batches(tf.data.TFRecordDataset(files).map(_number).shuffle(8).repeat()),
    "flat": lambda files: _batches(tf.data.Dataset.from_tensor_slices(files).shuffle(5).flat_map(_read).repeat()),
    "parallel": lambda files: _batches(
        tf.data.Dataset.list_files(files).interleave(_read, 2, num_parallel_calls=2).shuffle(9).repeat()
    ),
    "unbatched": lambda files: _batches(
        tf.data.Dataset.list_files(files).interleave(_read, 3, 2).filter(lambda row: row >= 0).repeat()
    ),
}

FROM_ROWS = {
    "range": lambda files: _batches(tf.data.Dataset.range(ALL).shuffle(20).repeat()),
    "slices": lambda files: _batches(tf.data.Dataset.from_tensor_slices(np.arange(ALL)).map(lambda x: x, 2).repeat()),
    "nested": lambda files: _batches(tf.data.Dataset.range(ALL).flat_map(_alone).shuffle(9).repeat()),
}

BUILT_BEFORE = tf.data.Dataset.range(ALL).shuffle(9, 5, reshuffle_each_iteration=False)

TAKEN_IN_TURN = {
    "built before": lambda files: _batches(BUILT_BEFORE.repeat()),
    "taken": lambda files: _batches(tf.data.Dataset.range(99).take(ALL).shuffle(20).repeat()),
    "mean": lambda files: _without(_mean()),
    "finite": lambda files: _batches(tf.data.TFRecordDataset(files).map(_number).shuffle(20)),
    "split": lambda files: _batches(tf.data.Dataset.list_files(files).skip(1).flat_map(_read).repeat()),
    "own shard": lambda files: _batches(tf.data.TFRecordDataset(files).map(_number).shard(1, 0).repeat()),
    "zip": lambda files: _batches(
        tf.data.Dataset.zip(_read(files), tf.data.Dataset.range(ALL)).map(lambda row, _: row).repeat()
    ),
}


def _open(build, files):
    make = InputFunction(lambda params: build(files), {})
    return loader_input(make().loader, make)


def _frames(opened: Input, run: StreamSettings, stream: int, most: int):
    pipeline = opened.open(run, Cursor(stream))
    try:
        frames = []
        while len(frames) < most and not (frames and frames[-1].end):
            frames.append(pipeline.get(20))
        return [frame.batch["0"].tolist() for frame in frames if not frame.end]
    finally:
        pipeline.close()


@pytest.mark.parametrize("name", FROM_FILES)
@pytest.mark.parametrize("of", [3, FILES])
def test_shards_by_file_have_each_sample_once(files, name, of):
    """In the time in which a shard goes through its files once it gives each of their samples, and no other."""
    source = _open(FROM_FILES[name], files).source
    assert source.shards(of)
    assert not source.shards(FILES + 1)
    passes = []
    for number in range(of):
        mine = len(range(number, FILES, of)) * ROWS
        walk = source.batches(0, 3, None, Shard(number, of))
        passes += [row for _ in range(mine // BATCH) for row in next(walk)["0"].tolist()]
    assert sorted(passes) == list(range(ALL))


@pytest.mark.parametrize("name", FROM_ROWS)
def test_shards_by_row_have_each_sample_once(files, name):
    """Not the batches are cut but the rows: what a shard maps, shuffles and batches is its own."""
    source = _open(FROM_ROWS[name], files).source
    assert source.shards(7)
    assert not source.shards(ALL + 1)
    passes = []
    for number in range(7):
        mine = set(range(number, ALL, 7))
        walk = source.batches(0, 3, None, Shard(number, 7))
        rows = [row for _ in range(3) for row in next(walk)["0"].tolist()][: len(mine)]
        assert set(rows) == mine
        passes += rows
    assert sorted(passes) == list(range(ALL))


@pytest.mark.parametrize("name", TAKEN_IN_TURN)
def test_pipelines_that_cannot_be_cut_soundly_are_taken_in_turn(files, name):
    """No files, an end, files left out, the user's own shard, two sources: nobody cuts these a second time."""
    assert not _open(TAKEN_IN_TURN[name], files).source.shards(2)


@settings(max_examples=6, deadline=None)
@given(
    name=st.sampled_from([*FROM_FILES, *FROM_ROWS, *TAKEN_IN_TURN]),
    shape=st.sampled_from([(1, 1), (3, 1), (5, 1), (2, 2), (6, 2), (3, 2), (15, 1)]),
    seed=st.integers(0, 2**32),
)
def test_streams_together_give_each_sample_once(files, name, shape, seed):
    """For any streams, replicas and seed; the same batches from another worker, which opened other streams before."""
    streams, replicas = shape
    run = StreamSettings(BATCH, replicas, streams, epochs=1, seed=seed)
    build = (FROM_FILES | FROM_ROWS | TAKEN_IN_TURN)[name]
    one, other = _open(build, files), _open(build, files)
    rows = 48 if name == "split" else ALL
    lengths = _a_pass(one, run, rows, FILES if name in FROM_FILES else ALL)
    frames = [_frames(one, run, stream, length) for stream, length in enumerate(lengths)]
    again = {stream: _frames(other, run, stream, lengths[stream]) for stream in reversed(range(streams))}
    assert frames == [again[stream] for stream in range(streams)]
    seen = Counter(row for stream in frames for batch in stream for row in batch)
    assert set(seen.values()) == {1}
    assert len(seen) == rows


def _a_pass(opened, run, rows, parts):
    """How many batches of each stream are a pass through the data: of its files or rows, or in turn."""
    turns = [len(range(stream % run.replicas, run.streams, run.replicas)) for stream in range(run.streams)]
    if run.streams % run.replicas == 0 and opened.source.shards(turns[0]) and turns[0] > 1:
        return [len(range(s // run.replicas, parts, turns[0])) * rows // parts // BATCH for s in range(run.streams)]
    steps = rows // BATCH
    return [len(range(s // run.replicas, steps, turns[s])) for s in range(run.streams)]


def _with_context(params, input_context):
    rows = tf.data.Dataset.range(48).shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    return rows.batch(input_context.get_per_replica_batch_size(BATCH), drop_remainder=True)


@pytest.mark.parametrize("shape", [(3, 1), (4, 2), (2, 2), (3, 2)])
def test_a_function_that_shards_itself_is_left_to_it(shape):
    """A stream takes all of the shard that input_context told of; with an odd number of streams all walk the whole."""
    streams, replicas = shape
    make = InputFunction(_with_context, {})
    opened = loader_input(make().loader, make)
    run = StreamSettings(BATCH, replicas, streams, epochs=1)
    frames = [_frames(opened, run, stream, 99) for stream in range(streams)]
    if shape == (3, 1):
        assert [frames[stream][0] for stream in range(3)] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    if shape == (4, 2):
        assert [frames[stream][0] for stream in range(4)] == [[0, 2], [4, 6], [1, 3], [5, 7]]
    assert sorted(row for stream in frames for batch in stream for row in batch) == list(range(48))


def test_a_context_that_nobody_looks_at_shards_nothing():
    """A function may take input_context and ignore it: its batches are then taken in turn."""

    def ignoring(params, input_context):
        return tf.data.Dataset.range(ALL).batch(BATCH, drop_remainder=True)

    make = InputFunction(ignoring, {})
    opened = loader_input(make().loader, make)
    run = StreamSettings(BATCH, 1, 3, epochs=1)
    assert [_frames(opened, run, stream, 1)[0][0] // BATCH for stream in range(3)] == [0, 1, 2]


def test_a_dataset_alone_is_not_cut(files):
    """Without a function that makes it anew its shuffles are not a function of the seed, and shards would overlap."""
    assert not loader_input(FROM_FILES["records"](files)).source.shards(2)


def test_a_shard_is_not_confused_with_an_error(files):
    """A file that cannot be read ends the stream that has it, and no other."""
    opened = _open(FROM_FILES["records"], [*files[:2], files[2] + ".gone"])
    run = StreamSettings(BATCH, 1, 3)
    assert len(_frames(opened, run, 0, 5)) == 5
    with pytest.raises(Fault, match="gone"):
        _frames(opened, run, 2, 5)
