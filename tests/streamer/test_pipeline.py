"""The pipeline: resumable at every step, the same for every number of streams, and it ends and fails well."""

import threading

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from streamer.digests import rows_digest, values_digest
from streamer.pipeline import Input, Ordering, StreamSettings, loader_input, recipe_input
from streamer.recipe import Column, Recipe
from streamer.sources.synthetic import SyntheticSource
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput
from wire.seam import SeamClosed

ROWS = 45


def recipe_settings(
    recipe: Recipe, *, replicas: int = 1, streams: int = 1, epochs: int | None = None
) -> StreamSettings:
    """The settings of a run that a recipe states."""
    return StreamSettings(
        recipe.batch_size,
        replicas,
        streams,
        recipe.drop_last_batch,
        epochs,
        recipe.shuffle_seed or 0,
        recipe.shuffle,
        recipe.prefetch or 2,
    )


class _Noisy(Dataset):
    """Rows with random noise, as augmentation makes it; row `bad` raises."""

    def __init__(self, bad=None):
        self.bad = bad

    def __len__(self):
        return ROWS

    def __getitem__(self, row):
        if row == self.bad:
            raise OSError("the disk is on fire")
        return row, torch.rand(1) + np.random.rand()


class _Walked:
    """A sequential loader: batches in its own, unseeded order."""

    def __iter__(self):
        order = torch.randperm(ROWS)
        for start in range(0, ROWS, 6):
            yield order[start : start + 6], torch.rand(len(order[start : start + 6]))


@pytest.mark.parametrize("loader", [TensorDataset(torch.arange(ROWS), torch.rand(ROWS)), _Noisy()])
def test_a_digest_is_of_values_only_where_user_code_makes_them(loader):
    """Rows of tensors are what their numbers say; what a dataset makes is looked at."""
    pipeline = loader_input(DataLoader(loader, 6)).open(StreamSettings(6, shuffle=True), Cursor(0))
    frame = pipeline.get(5)
    pipeline.close()
    own = isinstance(loader, TensorDataset)
    assert frame.digests[0] == (rows_digest(frame.row_numbers) if own else values_digest(frame.batch))


def _indexed():
    rows = torch.arange(ROWS)
    return loader_input(DataLoader(TensorDataset(rows, rows * 2.0), 6))


INPUTS = {
    "indexed": _indexed,
    "interleaved": lambda: Input(_indexed().source, Ordering(cycle_length=2, block_length=3)),
    "blocks": lambda: Input(_indexed().source, Ordering(block_rows=5, window_blocks=3)),
    "dataset": lambda: loader_input(DataLoader(_Noisy(), 6)),
    "walked": lambda: loader_input(_Walked()),
}


@pytest.fixture(params=INPUTS)
def opened(request):
    return INPUTS[request.param]()


def _run(opened, settings, cursor=None, stream=0, most=None):
    """The frames of a stream as (cursor, following, values, end, digest, row numbers), to the end or `most`."""
    pipeline = opened.open(settings, cursor or opened.first(settings, stream))
    try:
        frames = []
        while len(frames) != most:
            frame = pipeline.get(5)
            values = {name: column.tolist() for name, column in frame.batch.items()}
            numbers = None if frame.row_numbers is None else frame.row_numbers.tolist()
            frames.append((frame.cursor, frame.following, values, frame.end, frame.digests, numbers))
            if frame.end:
                break
        return frames
    finally:
        pipeline.close()


def test_restored_at_every_step_gives_the_same_tail(opened):
    """From the cursor of each frame, and of the end, the same frames follow as in an unbroken run."""
    settings = StreamSettings(6, 1, 2, True, 3, 11, shuffle=True)
    for stream in (0, 1):
        whole = _run(opened, settings, stream=stream)
        assert whole[-1][3] and len(whole) > 9
        for number, frame in enumerate(whole):
            assert _run(opened, settings, frame[0]) == whole[number:]
        assert [frame[1] for frame in whole[:-1]] == [frame[0] for frame in whole[1:]]


def test_same_steps_for_every_number_of_streams(opened):
    """Merged in turn, the streams give a replica the same batches, whatever their number, also across epochs."""

    def merged(streams, replica):
        settings = StreamSettings(6, 2, streams, True, 3, 5, shuffle=True)
        runs = [iter(_run(opened, settings, stream=s)) for s in range(replica, streams, 2)]
        steps = []
        while True:
            frame = next(runs[len(steps) % len(runs)])
            if frame[3]:
                return steps
            steps.append(frame[2])

    for replica in (0, 1):
        first = merged(2, replica)
        assert len(first) == 7 * 3
        assert all(merged(streams, replica) == first for streams in (3, 5, 7))


def test_a_frame_accounts_for_its_batch(opened):
    """Row numbers are those of the samples where there are any; equal digests mean equal batches, and the reverse."""
    frames = _run(opened, StreamSettings(6, 1, 1, False, 2, 3, shuffle=True))[:-1]
    for _, _, values, _, digest, numbers in frames:
        assert digest and numbers in (None, values["0"])
    assert (frames[0][5] is None) == (opened.rows is None)
    assert len({frame[4] for frame in frames}) == len({str(frame[2]) for frame in frames}) == len(frames)


def test_replicas_share_a_step(opened):
    """Two replicas together get at each step the rows that one replica gets."""
    one = [frame[2]["0"] for frame in _run(opened, StreamSettings(6, 1, 1, True, 1, 5))[:-1]]
    halves = [_run(opened, StreamSettings(6, 2, 2, True, 1, 5), stream=stream)[:-1] for stream in (0, 1)]
    assert [left[2]["0"] + right[2]["0"] for left, right in zip(*halves, strict=True)] == one


def test_every_row_once_with_the_remainder(opened):
    """Without drop_remainder one epoch has every row exactly once, the last batch being smaller."""
    frames = _run(opened, StreamSettings(6, 1, 1, False, 1, 3, shuffle=True))[:-1]
    assert sorted(row for frame in frames for row in frame[2]["0"]) == list(range(ROWS))
    assert len(frames[-1][2]["0"]) == ROWS % 6


def test_after_the_end(opened):
    """After the frame that says `end` the pipeline is closed."""
    pipeline = opened.open(StreamSettings(6, epochs=1), Cursor(0))
    while not pipeline.get(5).end:
        pass
    with pytest.raises(SeamClosed):
        pipeline.get(5)
    pipeline.close()


def test_for_ever(opened):
    """Without a number of epochs a stream goes on into the next ones."""
    frames = _run(opened, StreamSettings(6, seed=2, shuffle=True), most=20)
    assert [frame[0] for frame in frames[6:9]] == [Cursor(0, 0, 6), Cursor(0, 1, 0), Cursor(0, 1, 1)]


def test_close_while_the_thread_waits(opened):
    """A pipeline that nobody reads is closed at once, and leaves no thread."""
    pipeline = opened.open(StreamSettings(6, prefetch=1), Cursor(0))
    pipeline.get(5)
    pipeline.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch/0"]
    with pytest.raises(SeamClosed):
        while True:
            pipeline.get(0)


def test_users_error_comes_out_after_the_batches_before_it():
    """A dataset that raises: the batches before are delivered, then `get` raises with cursor and user's line."""
    pipeline = loader_input(DataLoader(_Noisy(bad=14), 6)).open(StreamSettings(6), Cursor(0))
    assert [pipeline.get(5).batch["0"].tolist() for _ in range(2)] == [list(range(6)), list(range(6, 12))]
    for _ in range(2):
        with pytest.raises(InvalidInput, match="OSError: the disk is on fire") as caught:
            pipeline.get(5)
    assert "test_pipeline.py:" in caught.value.where and "stream 0 epoch 0 batch 2" in caught.value.where
    pipeline.close()


@pytest.mark.parametrize(
    ("settings", "cursor", "message"),
    [
        (StreamSettings(6, 2, 1), Cursor(0), "at least 2 streams"),
        (StreamSettings(5, 2, 2), Cursor(0), "cannot be divided"),
        (StreamSettings(6), Cursor(1), "no stream 1"),
    ],
)
def test_settings_that_do_not_fit(opened, settings, cursor, message):
    """Settings that cannot be are refused when a stream is opened."""
    with pytest.raises(InvalidInput, match=message):
        opened.open(settings, cursor)


@pytest.mark.parametrize("name", ["indexed", "walked"])
def test_cursor_of_another_run(name):
    """A cursor that the data does not have is refused, at once or when the walk gets there."""
    with pytest.raises(InvalidInput, match="no stream 0 epoch 0 batch 9"):
        _run(INPUTS[name](), StreamSettings(6), Cursor(0, 0, 9))


@pytest.mark.parametrize(("sizes", "message"), [([6, 4, 6], "batch 1 has 4"), ([6, 7], "batch 1 has 7")])
def test_walked_batches_of_other_sizes(sizes, message):
    """A short batch in the middle and one that is too large are named with their number."""
    with pytest.raises(InvalidInput, match=message):
        _run(loader_input([(torch.zeros(size),) for size in sizes]), StreamSettings(6))


def test_recipe_casts_at_worker_or_on_arrival():
    """cast_at: worker gives landed values and a landed spec; arrival leaves both to the consumer."""
    column = {"dtype": "uint8", "shape": [4], "scale": 0.5, "offset": -1.0, "lands_as": "float16"}
    section = {"format": "synthetic", "rows": 10, "batch_size": 2, "columns": {"x": column}, "shuffle": True}
    here = Recipe.from_params({**section, "cast_at": "worker"}, "train_input")
    there = Recipe.from_params(section, "train_input")
    worker, arrival = recipe_input(here), recipe_input(there)
    assert str(worker.spec) == "x: float16(4)" and worker.spec == arrival.spec.landed()
    cast, raw = (_run(i, recipe_settings(there, epochs=1))[0][2]["x"] for i in (worker, arrival))
    assert np.array_equal(cast, np.array(raw) * 0.5 - 1)


def test_its_seam_counts_what_passes():
    """The reading of a pipeline's seam has the stream's number and at least the batches taken."""
    source = SyntheticSource(ElementSpec((Field("x", "uint8", (784,)), Field("y", "uint8"))), 60_000)
    pipeline = Input(source).open(StreamSettings(256, shuffle=True), Cursor(0))
    for _ in range(100):
        pipeline.get(5)
    reading = pipeline.readings()[0]
    pipeline.close()
    assert reading.name == "prefetch/0" and reading.items >= 100


def test_recipe_of_columns():
    """A recipe made in code is as good as one from params."""
    recipe = Recipe(format="synthetic", rows=8, batch_size=4, columns={"x": Column(dtype="int8", shape=(2,))})
    assert recipe_input(recipe).rows == 8
