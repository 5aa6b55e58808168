"""Resuming a tf.data pipeline: by the iterator's own state or by replay, always with the same frames."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from streamer.input_function import InputFunction
from streamer.loader_state import StateError, state_from_bytes, state_to_bytes
from streamer.pipeline import StreamSettings, loader_input
from streamer.resume import Resume
from streamer.sources.tf_walk import DatasetWalk
from streamer.stages import shard
from wire.cursor import Cursor
from wire.errors import InvalidInput
from wire.history import BEGINNING, history_after

ROWS, BATCH, FILES, MOST = 10, 4, 4, 12


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    paths = [str(folder / f"{number}.tfrecord") for number in range(FILES)]
    for number, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for row in range(ROWS):
                writer.write(str(number * ROWS + row).encode())
    return paths


def _shuffled(files):
    rows = tf.data.Dataset.list_files(files).interleave(tf.data.TFRecordDataset, 2, num_parallel_calls=2)
    rows = rows.map(lambda text: tf.strings.to_number(text, tf.int64), num_parallel_calls=2).shuffle(12).repeat()
    return rows.batch(BATCH, drop_remainder=True).prefetch(3)


def _finite(files):
    return tf.data.Dataset.range(40).shuffle(12).batch(BATCH, drop_remainder=True).prefetch(2)


def _noisy(files):
    noise = _finite(files).map(lambda x: tf.cast(x, tf.float32) + tf.random.uniform(()), num_parallel_calls=2)
    return noise.prefetch(2)


def _open(build, files):
    make = InputFunction(lambda params: build(files), {})
    return loader_input(make().loader, make)


def _frames(opened, settings, cursor, resume=None, most=MOST):
    pipeline = opened.open(settings, cursor, resume)
    try:
        frames = []
        while len(frames) < most and not (frames and frames[-1].end):
            frames.append(pipeline.get(20))
        return frames
    finally:
        pipeline.close()


def _resume(frames, cursor, states):
    """What an ingest would say of its way to a cursor."""
    history, kept = BEGINNING, None
    for frame in frames:
        if frame.cursor >= cursor:
            break
        if frame.cursor.epoch == cursor.epoch:
            history = history_after(history, frame.cursor, frame.digests[0])
        if frame.loader_state and states:
            kept = frame.following, frame.loader_state
    return Resume(history, kept)


def _told(frames):
    return [(str(frame.cursor), str(frame.following), frame.digests, frame.end) for frame in frames]


@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize(("build", "streams"), [(_shuffled, 1), (_shuffled, 2), (_finite, 1), (_finite, 2)])
def test_a_stream_goes_on_from_every_batch(files, monkeypatch, build, streams, states):
    """Shuffled, interleaved, cut by file or taken in turn: a new process gives the same tail."""
    monkeypatch.setattr(shard, "STATE_BATCHES", 3)
    settings = StreamSettings(BATCH, 1, streams, epochs=None if build is _shuffled else 2, seed=5)
    stream = streams - 1
    whole = _frames(_open(build, files), settings, Cursor(stream))
    for number, frame in enumerate(whole):
        resume = _resume(whole, frame.cursor, states)
        assert not states or number < 3 or frame.cursor.sequence < 1 or resume.loader_state is not None
        tail = _frames(_open(build, files), settings, frame.cursor, resume, MOST - number)
        assert _told(tail) == _told(whole[number:])


def test_a_state_spares_the_walk(files, monkeypatch):
    """With a state only what comes after it is drawn from the dataset; without one all of the epoch is."""
    monkeypatch.setattr(shard, "STATE_BATCHES", 2)
    settings = StreamSettings(BATCH, epochs=1, prefetch=1)
    whole = _frames(_open(_finite, files), settings, Cursor(0))
    drawn = _counted(monkeypatch)
    for states, most in ((True, 4), (False, 11)):
        drawn.clear()
        assert (
            len(_frames(_open(_finite, files), settings, Cursor(0, 0, 8), _resume(whole, Cursor(0, 0, 8), states))) == 3
        )
        assert 3 <= len(drawn) <= most


def _counted(monkeypatch):
    drawn = []
    following = DatasetWalk.__next__

    def counting(walk):
        drawn.append(walk)
        return following(walk)

    monkeypatch.setattr(DatasetWalk, "__next__", counting)
    return drawn


def _python(files):
    return _finite(files).map(lambda x: tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.int64), (BATCH,)))


def _large(files):
    noise = tf.random.stateless_uniform((40, 100_000), (1, 2), maxval=256, dtype=tf.int32)
    rows = tf.data.Dataset.from_tensor_slices(tf.cast(noise, tf.uint8)).shuffle(40)
    return rows.map(lambda row: row[0]).batch(BATCH, drop_remainder=True)


def _huge(files):
    return tf.data.Dataset.range(40).shuffle(10**8).batch(BATCH, drop_remainder=True)


@pytest.mark.parametrize(("build", "why"), [(_python, "PyFunc is stateful"), (_noisy, "stateful"), (_large, "bytes")])
def test_a_state_that_cannot_be_saved_is_said_once(files, caplog, build, why):
    """Python functions, random operations, a full shuffle of large rows: said once, and replay does the job."""
    settings = StreamSettings(BATCH, epochs=2)
    opened = _open(build, files)
    with caplog.at_level(logging.WARNING, "streamer"):
        whole = _frames(opened, settings, Cursor(0), most=99)
    (told,) = [record.getMessage() for record in caplog.records if "is not kept" in record.getMessage()]
    assert why in told
    assert "function_node" not in told
    assert not opened.source.resumes
    assert not any(frame.loader_state for frame in whole)
    for cursor in (Cursor(0, 0, 4), Cursor(0, 1, 7)):
        tail = _frames(_open(build, files), settings, cursor, _resume(whole, cursor, states=True), most=99)
        assert _told(tail) == _told([frame for frame in whole if frame.end or frame.cursor >= cursor])


def test_a_shuffle_far_too_large_is_not_even_tried(files):
    """Saving hundreds of megabytes only to see that they are too many would hold up the stream."""
    assert not _open(_huge, files).source.resumes
    assert _open(_finite, files).source.resumes


def test_a_state_is_plain_bytes(files):
    """It travels as an array of bytes; one that was torn is refused in a sentence."""
    source = _open(_finite, files).source
    walk = source.batches(0, 1)
    head = [next(walk)["0"].tolist() for _ in range(4)]
    state = state_from_bytes(state_to_bytes(walk.state()))
    assert isinstance(state, np.ndarray)
    assert len(head) == 4
    assert [b["0"].tolist() for b in source.batches(0, 1, state)] == [b["0"].tolist() for b in walk]
    assert walk.state() is None
    with pytest.raises(InvalidInput, match="cannot be restored") as caught:
        next(source.batches(0, 1, state[: len(state) // 2]))
    assert len(str(caught.value)) < 400


def test_a_state_larger_than_what_travels_is_an_error_of_the_state(files):
    """The walk goes on after it."""
    walk = _open(_large, files).source.batches(0)
    next(walk)
    with pytest.raises(StateError, match="the limit is"):
        walk.state()
    assert len(list(walk)) == 9
