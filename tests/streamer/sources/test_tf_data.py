"""A tf.data pipeline as a source: what its batches are, which pipelines are refused, and how their errors are told."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from streamer.input_function import InputFunction
from streamer.pipeline import StreamSettings
from streamer.sources import LoaderTraits
from streamer.sources.loaders import open_loader
from streamer.sources.tf_data import INFINITE, UNKNOWN, open_dataset
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput

Pair = collections.namedtuple("Pair", "left right")


def _range(rows=12, batch=4, **changes):
    return tf.data.Dataset.range(rows).map(changes.get("map", lambda x: x)).batch(batch, drop_remainder=True)


def _of(function):
    make = InputFunction(function, {})
    return open_loader(make().loader, make)


def _values(source, **where):
    return [batch["0"].tolist() for batch in source.batches(0, **where)]


def test_features_and_labels_are_named_by_their_path():
    """A nested structure gives the names that a torch loader's would, in the user's order; TensorFlow sorts them."""

    def parse(row):
        return {"z": Pair(tf.fill((3,), row), tf.strings.as_string(row)), "a": row > 1}, tf.cast(row, tf.int32)

    source = open_dataset(_range(map=parse))
    fields = ("0.z.left", "int64", (3,)), ("0.z.right", "string"), ("0.a", "bool"), ("1", "int32")
    assert source.spec == ElementSpec(tuple(Field(*field) for field in fields))
    batch = list(source.batches(0))[1]
    assert tuple(batch) == source.spec.names
    assert [column.tolist() for column in batch.values()] == [
        [[row] * 3 for row in range(4, 8)],
        ["4", "5", "6", "7"],
        [True] * 4,
        [4, 5, 6, 7],
    ]


@pytest.mark.parametrize(("labels", "names"), [(False, ("0",)), (True, ("0",))])
def test_labels_may_be_absent(labels, names):
    """For prediction a dataset gives features alone, or None for the labels."""
    source = open_dataset(_range(map=lambda x: (x, None) if labels else x))
    assert source.spec.names == names
    assert _values(source) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_batch_is_the_memory_of_tensorflow():
    """A column is a view of a tensor: it owns no data, and nobody writes into it."""
    column = next(open_dataset(_range()).batches(0))["0"]
    assert not column.flags.owndata
    assert not column.flags.writeable


def test_nothing_is_run_to_open_a_dataset():
    """The spec comes from element_spec."""
    ran = []

    def note(row):
        ran.append(int(row))
        return row

    noted = _range(map=lambda x: tf.ensure_shape(tf.py_function(note, [x], tf.int64), ()))
    source = open_dataset(noted)
    assert source.traits == LoaderTraits(4, shuffle=False, drop_last=True)
    assert not ran
    next(source.batches(0))
    assert ran


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (_range, 3),
        (lambda: _range().repeat(2), 6),
        (lambda: _range().repeat(), INFINITE),
        (lambda: tf.data.Dataset.range(9).repeat().filter(lambda x: x > 1).batch(4, drop_remainder=True), INFINITE),
        (lambda: tf.data.Dataset.range(9).filter(lambda x: x > 1).batch(4, drop_remainder=True), UNKNOWN),
        (lambda: tf.data.Dataset.range(9).repeat().take(8).batch(4, drop_remainder=True), 2),
    ],
)
def test_a_source_knows_whether_it_ends(dataset, told):
    """Repeated for ever is told from finite, behind a filter too, where TensorFlow itself says nothing."""
    assert open_dataset(dataset()).cardinality == told


REFUSED = {
    "dynamic batch": (lambda d: d.batch(4), "different sizes", "drop_remainder=True"),
    "no batch": (lambda d: d, "no batch dimension", "drop_remainder=True"),
    "bfloat16": (lambda d: d.map(lambda x: tf.cast(x, tf.bfloat16)).batch(4, True), "bfloat16", "tf.float32"),
    "complex": (lambda d: d.map(lambda x: tf.cast(x, tf.complex64)).batch(4, True), "complex64", "float32"),
    "ragged": (lambda d: d.map(tf.range).ragged_batch(4, True), "RaggedTensor", "to_tensor"),
    "sparse": (lambda d: d.map(lambda x: tf.sparse.from_dense([x])).batch(4, True), "SparseTensor", "to_dense"),
    "inner shape": (lambda d: d.map(tf.range).padded_batch(4, drop_remainder=True), "None", "padded_shapes"),
    "rank": (
        lambda d: d.map(lambda x: tf.numpy_function(lambda v: v, [x], tf.int64)).batch(4, True),
        "shape",
        "ensure_shape",
    ),
    "sizes": (lambda d: tf.data.Dataset.zip(d.batch(4, True), d.batch(3, True)), "'0' 4, '1' 3", "batch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_batch_that_cannot_travel_is_refused(name):
    """The error says which field, and what to change in input_fn."""
    build, what, fix = REFUSED[name]
    with pytest.raises(InvalidInput) as caught:
        open_dataset(build(tf.data.Dataset.range(12)))
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_bytes_that_are_no_text_are_refused():
    """A string field travels as text."""
    source = open_dataset(_range(map=lambda x: tf.constant(b"\xff\xfe")))
    with pytest.raises(InvalidInput, match="'0' holds bytes"):
        next(source.batches(0))


def _too_large(row):
    with tf.control_dependencies([tf.debugging.assert_less(row, tf.constant(7, tf.int64), message="no such class")]):
        return tf.identity(row)


def _no_picture(row):
    def read(value):
        raise KeyError("no such picture")

    return tf.ensure_shape(tf.py_function(read, [row], tf.int64), ())


def _badly_traced(row):
    return tf.matmul(row, row)


@pytest.mark.parametrize(
    ("function", "what", "line"),
    [
        (_too_large, "no such class", "in _too_large"),
        (_no_picture, "KeyError: 'no such picture'", "in _no_picture"),
        (_badly_traced, "must be rank 2", "in _badly_traced"),
    ],
)
def test_an_error_in_a_map_names_the_users_line(function, what, line):
    """An operation that fails, a Python function that raises, a function that cannot be traced: one short sentence."""
    with pytest.raises(InvalidInput) as caught:
        list(_of(lambda params: _range(map=function)).batches(0))
    assert what in caught.value.what
    assert __file__ in caught.value.where
    assert line in caught.value.where
    assert len(str(caught.value).splitlines()) == 1
    assert not {"function_node", "Traceback", "[Op:"} & set(str(caught.value).split())


def test_a_missing_file_is_named(tmp_path):
    """Without a traceback of TensorFlow's own files."""
    source = open_dataset(tf.data.TFRecordDataset([str(tmp_path / "gone")]).batch(4, drop_remainder=True))
    walk = source.batches(0)
    with pytest.raises(InvalidInput, match="gone; No such file or directory; it was raised while batch 0") as caught:
        next(walk)
    assert not list(walk)
    assert "site-packages" not in str(caught.value)


def _drawn(params):
    noise = tf.data.Dataset.range(24).map(lambda x: tf.random.uniform(()), num_parallel_calls=4)
    order = tf.data.Dataset.range(24).shuffle(24)
    python = tf.data.Dataset.range(24).map(lambda x: tf.ensure_shape(tf.numpy_function(_draw, [x], tf.float64), ()))
    return tf.data.Dataset.zip(order, noise, python).batch(4, drop_remainder=True).prefetch(2)


def _draw(row):
    return np.random.rand()


def test_unseeded_randomness_is_a_function_of_seed_and_epoch():
    """Shuffles, random operations in a parallel map and Python functions: the same again, other in another epoch."""

    def told(source, epoch, seed):
        return [[column.tolist() for column in batch.values()] for batch in source.batches(epoch, seed)]

    source = _of(_drawn)
    first = told(source, 0, 1)
    assert len(first) == 6
    assert [told(_of(_drawn), 0, 1), told(source, 0, 1)] == [first, first]
    for other in (told(source, 1, 1), told(source, 0, 2)):
        assert all(there[field] != here[field] for here, there in zip(first, other, strict=True) for field in range(3))


def test_two_walks_at_a_time_do_not_disturb_each_other():
    """Streams of one worker draw from datasets of their own."""
    source = _of(_drawn)
    alone = _values(source, seed=1)
    together = list(zip(source.batches(0, 1), source.batches(0, 1), strict=True))
    assert [[one["0"].tolist(), two["0"].tolist()] for one, two in together] == [[batch, batch] for batch in alone]


def test_a_function_that_changes_its_dataset_is_refused():
    """What is made for a walk must be what was opened."""
    batches = iter([4, 5])
    source = _of(lambda params: _range(batch=next(batches)))
    with pytest.raises(InvalidInput, match="another one later"):
        next(source.batches(0))


def test_an_epoch_follows_the_other():
    """A finite dataset is walked again for each epoch of a run."""
    from streamer.pipeline import Input

    pipeline = Input(_of(lambda params: _range())).open(StreamSettings(4, epochs=2), Cursor(0))
    frames = [pipeline.get(20) for _ in range(7)]
    pipeline.close()
    assert [str(frame.cursor) for frame in frames[:6]] == [
        str(Cursor(0, epoch, n)) for epoch in (0, 1) for n in range(3)
    ]
    assert frames[6].end


def test_a_dataset_built_for_a_graph_is_built_anew():
    """A user's file may switch eager execution off, as TensorFlow 1 did: the function then runs with it on."""
    with tf.Graph().as_default():
        assert _values(_of(lambda params: _range())) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_process_keeps_its_own_determinism():
    """Iterators are made deterministic, whatever else the process does is left as it was."""
    from tensorflow.python.framework import config

    next(open_dataset(_range()).batches(0))
    assert not config.is_op_determinism_enabled()


SHUFFLED = tf.data.Dataset.range(12).shuffle(12)


@pytest.mark.parametrize(
    "opened", [lambda: _of(lambda params: SHUFFLED.batch(4, True)), lambda: open_dataset(SHUFFLED.batch(4, True))]
)
def test_a_shuffle_is_not_walked_twice(opened):
    """A dataset from outside the function gives another order each time, so that streams would miss samples."""
    source = opened()
    assert len(_values(source)) == 3
    with pytest.raises(InvalidInput, match="a second time") as caught:
        _values(source)
    assert "inside input_fn" in caught.value.fix
