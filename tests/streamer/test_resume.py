"""Resuming a sequential source: by the loader's own state or by replay, always with the same frames, or an error."""

import itertools
import logging
import threading

import numpy as np
import pytest
import torch

from streamer.pipeline import StreamSettings, loader_input
from streamer.resume import Resume
from streamer.stages import shard
from wire.cursor import Cursor
from wire.errors import InvalidInput
from wire.history import BEGINNING, history_after
from wire.seam import SeamClosed

ROWS, BATCH = 44, 4
STEPS = ROWS // BATCH


class Tally:
    """The first row of every batch that was drawn, by whatever copy of a loader."""

    def __init__(self):
        self.rows = []


class Shuffled:
    """Shuffles its rows anew each epoch, with noise on every batch, and seeds nothing. `drawn` counts its batches."""

    def __init__(self):
        self.drawn = Tally()

    def __iter__(self):
        order = torch.randperm(ROWS)
        for start in range(0, ROWS, BATCH):
            self.drawn.rows.append(start)
            rows = order[start : start + BATCH]
            yield rows, torch.rand(len(rows)) + np.random.rand()


class Stateful(Shuffled):
    """The same, and it can say where it is."""

    def __init__(self, extra=None):
        super().__init__()
        self.place = {"order": None, "next": 0, "extra": extra}
        self.generator = torch.Generator()

    def __iter__(self):
        place = self.place
        if place["order"] is None:
            place["order"] = torch.randperm(ROWS, generator=self.generator)
        while place["next"] < ROWS:
            rows = place["order"][place["next"] : place["next"] + BATCH]
            self.drawn.rows.append(place["next"])
            place["next"] += BATCH
            yield rows, torch.rand(len(rows)) + np.random.rand()

    def state_dict(self):
        return dict(self.place)

    def load_state_dict(self, state):
        self.place = dict(state)


class Restless:
    """Other batches on every walk, whatever is seeded."""

    def __init__(self):
        self.walks = itertools.count()

    def __iter__(self):
        number = next(self.walks)
        return iter([np.full(BATCH, number * 100 + batch) for batch in range(STEPS)])


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    """A state is kept after every second batch."""
    monkeypatch.setattr(shard, "STATE_BATCHES", 2)


def _frames(opened, settings, cursor, resume=None, most=None):
    pipeline = opened.open(settings, cursor, resume)
    try:
        frames = []
        while len(frames) != most:
            frames.append(pipeline.get(20))
            if frames[-1].end:
                break
        return frames
    finally:
        pipeline.close()


def _told(frame):
    """What must be the same in every life of a stream. When a state is taken is a matter of time."""
    return frame.cursor, frame.following, frame.digests, {n: c.tolist() for n, c in frame.batch.items()}, frame.end


def _resume(frames, start, *, states=True):
    """What an ingest that took these frames would say with the cursor `start`."""
    before = [frame for frame in frames if frame.cursor < start]
    history, state = BEGINNING, None
    for frame in before:
        if frame.cursor.epoch == start.epoch:
            history = history_after(history, frame.cursor, frame.digests[0])
        if frame.following.epoch == start.epoch and frame.loader_state and states:
            state = frame.following, frame.loader_state
    return Resume(history, state)


SHAPES = [(1, 1), (1, 2), (1, 3), (2, 2), (2, 5)]


@pytest.mark.parametrize(("replicas", "streams"), SHAPES)
@pytest.mark.parametrize("loader", [Shuffled, Stateful])
def test_restored_at_every_cursor_gives_the_same_tail(loader, replicas, streams):
    """In a fresh life, from every cursor: the same frames with the same digests, with a state or without."""
    settings = StreamSettings(BATCH, replicas, streams, True, 2, 3, prefetch=2)
    for stream in range(streams):
        whole = _frames(loader_input(loader()), settings, Cursor(stream))
        assert len(whole) > 3
        for number, frame in enumerate(whole):
            resume = _resume(whole, frame.cursor, states=number % 3 > 0)
            tail = _frames(loader_input(loader()), settings, frame.cursor, resume)
            assert list(map(_told, tail)) == list(map(_told, whole[number:]))


def test_a_state_spares_the_walk():
    """From a cursor late in an epoch the loader gives only what comes after the last state."""
    settings = StreamSettings(BATCH, 1, 1, True, 1, 3)
    whole = _frames(loader_input(Stateful()), settings, Cursor(0))
    loader = Stateful()
    opened = loader_input(loader)
    loader.drawn.rows.clear()
    start = whole[8].cursor
    assert len(_frames(opened, settings, start, _resume(whole, start))) == 4
    assert loader.drawn.rows == [28, 32, 36, 40]
    loader.drawn.rows.clear()
    assert len(_frames(opened, settings, start, _resume(whole, start, states=False))) == 4
    assert loader.drawn.rows == list(range(0, ROWS, BATCH))


@pytest.mark.parametrize("loader", [Shuffled, Stateful])
@pytest.mark.parametrize("sequence", [0, 3])
def test_epochs_before_are_not_walked_to_be_counted(loader, sequence):
    """Where an epoch begins goes with the frames, so that a resume in epoch 2 reads nothing of epochs 0 and 1."""
    settings = StreamSettings(BATCH, 1, 2, True, 3, 3)
    whole = _frames(loader_input(loader()), settings, Cursor(1))
    start = Cursor(1, 2, sequence)
    own = loader()
    opened = loader_input(own)
    own.drawn.rows.clear()
    tail = _frames(opened, settings, start, _resume(whole, start))
    assert list(map(_told, tail)) == [_told(frame) for frame in whole if frame.cursor >= start]
    assert 0 < len(own.drawn.rows) <= STEPS


def test_states_come_with_the_first_batch_and_then_now_and_then():
    """Of eleven batches the first, and every second one after it; the last one's stream goes on in another epoch."""
    frames = _frames(loader_input(Stateful()), StreamSettings(BATCH, 1, 1, True, 1), Cursor(0))
    assert [bool(frame.loader_state) for frame in frames] == [True, False] * 5 + [False, False]


def test_a_loader_that_is_not_deterministic_is_named():
    """A replay that gives other batches than those that were taken is an error, with batch and epoch."""
    opened, settings = loader_input(Restless()), StreamSettings(BATCH, 1, 2, True, 2)
    whole = _frames(opened, settings, Cursor(1))
    start = Cursor(1, 1, 3)
    with pytest.raises(InvalidInput, match="not deterministic: by batch 3 of epoch 1 the batches differ") as caught:
        _frames(opened, settings, start, _resume(whole, start))
    assert "worker_init_fn" in caught.value.fix and "state_dict" in caught.value.fix


def test_one_other_value_is_noticed():
    """A single number of a single batch, far from the cursor."""

    def batches(odd):
        return [np.full(BATCH, 7 + (number == odd)) for number in range(STEPS)]

    settings = StreamSettings(BATCH, epochs=1)
    whole = _frames(loader_input(batches(0)), settings, Cursor(0))
    resume = _resume(whole, Cursor(0, 0, 9))
    assert len(_frames(loader_input(batches(0)), settings, Cursor(0, 0, 9), resume)) == 3
    assert len(_frames(loader_input(batches(0)), settings, Cursor(0, 0, 9), Resume())) == 3
    with pytest.raises(InvalidInput, match="by batch 9 of epoch 0"):
        _frames(loader_input(batches(8)), settings, Cursor(0, 0, 9), resume)


def test_only_its_own_batches_count():
    """What the other stream was given is not this one's history."""
    settings = StreamSettings(BATCH, 1, 2, True, 1)
    batches = [np.full(BATCH, number) for number in range(STEPS)]
    whole = _frames(loader_input(batches), settings, Cursor(0))
    other = [batch if number % 2 == 0 else batch + 1 for number, batch in enumerate(batches)]
    tail = _frames(loader_input(other), settings, Cursor(0, 0, 3), _resume(whole, Cursor(0, 0, 3)))
    assert list(map(_told, tail)) == list(map(_told, whole[3:]))


def test_two_streams_of_one_loader_keep_their_own_places():
    """Read in turn in one process, each stream of a stateful loader gives what it gives alone."""
    settings = StreamSettings(BATCH, 1, 2, True, 2, 3, prefetch=1)
    alone = [list(map(_told, _frames(loader_input(Stateful()), settings, Cursor(stream)))) for stream in (0, 1)]
    opened = loader_input(Stateful())
    pipelines = [opened.open(settings, Cursor(stream)) for stream in (0, 1)]
    together = [[], []]
    while not all(told and told[-1][-1] for told in together):
        for pipeline, told in zip(pipelines, together, strict=True):
            if not (told and told[-1][-1]):
                told.append(_told(pipeline.get(20)))
    for pipeline in pipelines:
        pipeline.close()
    assert together == alone


@pytest.mark.parametrize(("extra", "why"), [(object(), "builtins.object"), ("x" * (1 << 20), "the limit is")])
def test_a_state_that_cannot_travel_makes_a_loader_without_state(extra, why, caplog):
    """Said once; the stream is then resumed by replay."""
    settings = StreamSettings(BATCH, 1, 1, True, 2, 3)
    opened = loader_input(Stateful(extra))
    with caplog.at_level(logging.WARNING):
        whole = _frames(opened, settings, Cursor(0))
    assert caplog.text.count("the state of Stateful is not kept") == 1 and why in caplog.text
    assert not any(frame.loader_state for frame in whole)
    start = Cursor(0, 1, 4)
    tail = _frames(loader_input(Stateful(extra)), settings, start, _resume(whole, start))
    assert list(map(_told, tail)) == [_told(frame) for frame in whole if frame.cursor >= start]


@pytest.mark.parametrize("state", [b"nothing", b"[1,0,null]", b"[1]", b'["a","b",null]'])
def test_a_state_that_is_none_is_refused(state):
    """With its cursor; what comes over the wire is not trusted."""
    resume = Resume(BEGINNING, (Cursor(0, 0, 2), state))
    with pytest.raises(InvalidInput, match="loader's state of stream 0 epoch 0 batch 2 cannot be read"):
        _frames(loader_input(Stateful()), StreamSettings(BATCH), Cursor(0, 0, 3), resume)


@pytest.mark.parametrize("at", [Cursor(0, 0, 4), Cursor(0, 1, 1), Cursor(1, 0, 1)])
def test_a_state_of_another_place_is_not_used(at):
    """One behind the cursor, of another epoch or of another stream: the stream is replayed."""
    frames = _frames(loader_input(Stateful()), StreamSettings(BATCH, epochs=1), Cursor(0))
    resume = Resume(BEGINNING, (at, frames[2].loader_state))
    tail = _frames(loader_input(Stateful()), StreamSettings(BATCH, epochs=1), Cursor(0, 0, 3), resume)
    assert list(map(_told, tail)) == list(map(_told, frames[3:]))


def test_a_replay_says_how_far_it_is(monkeypatch, caplog):
    """In batches of the stream, so that people see that it goes on."""
    monkeypatch.setattr(shard, "_PROGRESS_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        _frames(loader_input(Shuffled()), StreamSettings(BATCH, 1, 2), Cursor(1, 0, 4), most=1)
    assert "replaying stream 1 to batch 4: 2 of 4" in caplog.text


def test_closing_ends_a_replay():
    """A pipeline that is still far from its cursor is closed at the next batch, and its thread ends."""
    gate, begun = threading.Event(), threading.Event()

    class Slow:
        def __iter__(self):
            for number in range(1000):
                if number == 5:
                    begun.set()
                    assert gate.wait(20)
                yield np.full(BATCH, number)

    pipeline = loader_input(Slow()).open(StreamSettings(BATCH), Cursor(0, 0, 999))
    assert begun.wait(20)
    closing = threading.Thread(target=pipeline.close)
    closing.start()
    with pytest.raises(SeamClosed):
        pipeline.get(20)
    gate.set()
    closing.join(20)
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch/0"]
