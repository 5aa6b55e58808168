"""Bad samples: each is listed once, a good one of its batch stands in, and a cursor always gives the same frame."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from streamer.digests import rows_digest, values_digest
from streamer.pipeline import Input, StreamSettings, loader_input
from streamer.sources.parquet import ParquetSource
from wire.codec import BadSample
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field, Ragged
from wire.errors import InvalidInput

ROWS = 23
SETTINGS = StreamSettings(4, 1, 2, False, 2, 5, shuffle=True, pass_bad=True)


class _Numbers:
    """Rows that are their own number, as a number, a text and a list; some of them cannot be read."""

    random = False
    spec = ElementSpec((Field("n", "int64"), Field("s", "string"), Field("l", "int32", ragged=True)))
    blocks = (ROWS,)

    def __init__(self, bad):
        self._bad = bad

    def __len__(self):
        return ROWS

    def gather(self, rows):
        for row in rows.tolist():
            if row in self._bad:
                raise InvalidInput(f"row {row} is torn\nin two")
        return {
            "n": rows.copy(),
            "s": np.array([f"row {row}" for row in rows], object),
            "l": Ragged(np.repeat(rows, rows % 3).astype(np.int32), np.concatenate([[0], np.cumsum(rows % 3)])),
        }

    def describe(self):
        return "numbers"

    def where(self, row):
        return f"numbers row {row}"


class _Dataset(Dataset):
    """Rows with noise; those of `bad` raise, those of `odd` have another shape."""

    def __init__(self, bad=(), odd=()):
        self.bad, self.odd = bad, odd

    def __len__(self):
        return ROWS

    def __getitem__(self, row):
        noise = torch.rand(1 + (row in self.odd))
        if row in self.bad:
            raise OSError("x" * 1000 + "\nand more")
        return row, noise


def _frames(opened, settings, cursor):
    pipeline = opened.open(settings, cursor)
    try:
        frames = []
        while not frames or not frames[-1].end:
            frames.append(pipeline.get(20))
        return frames
    finally:
        pipeline.close()


def _told(frame):
    numbers = None if frame.end else frame.row_numbers.tolist()
    return frame.cursor, frame.following, frame.digests[0], values_digest(frame.batch), numbers, frame.bad


def _stand_ins(rows, bad):
    """The rows of a batch as they should be, worked out the slow way."""
    good = [place for place, row in enumerate(rows) if row not in bad]

    def chosen(place):
        before = [other for other in good if other <= place]
        return before[-1] if before else good[0]

    return [rows[chosen(place)] for place in range(len(rows))]


@given(st.sets(st.integers(0, ROWS - 1), max_size=12))
def test_the_nearest_good_sample_stands_in(bad):
    """For any bad rows: before it if there is one, else after it; every bad one is listed with its place and row."""
    whole = _frames(Input(_Numbers(())), SETTINGS, Cursor(0))[:-1]
    if any(set(frame.row_numbers.tolist()) <= bad for frame in whole):
        return
    for clean, frame in zip(whole, _frames(Input(_Numbers(bad)), SETTINGS, Cursor(0))[:-1], strict=True):
        rows = clean.row_numbers.tolist()
        assert frame.row_numbers.tolist() == _stand_ins(rows, bad) == frame.batch["n"].tolist()
        assert frame.digests[0] == rows_digest(frame.row_numbers)
        assert values_digest(frame.batch) == values_digest(_Numbers(()).gather(frame.row_numbers))
        assert frame.bad == tuple(
            BadSample(place, row, f"numbers row {row}", f"row {row} is torn")
            for place, row in enumerate(rows)
            if row in bad
        )


@pytest.mark.parametrize(
    "opened",
    [
        lambda: Input(_Numbers({3, 4, 17})),
        lambda: loader_input(DataLoader(_Dataset({3, 4}, {17}), 4)),
        lambda: loader_input(DataLoader(_Dataset(), 4)),
    ],
)
def test_a_cursor_always_gives_the_same_frame(opened):
    """From every cursor the same tail: values, digests, row numbers and bad samples."""
    for stream in (0, 1):
        whole = list(map(_told, _frames(opened(), SETTINGS, Cursor(stream))))
        for number, told in enumerate(whole):
            assert list(map(_told, _frames(opened(), SETTINGS, told[0]))) == whole[number:]


def test_what_user_code_raises_is_listed_in_short():
    """The first line, of a bounded length; a sample of another shape is a bad one too."""
    opened = loader_input(DataLoader(_Dataset({3}, {17}), 4))
    frames = [f for stream in (0, 1) for f in _frames(opened, SETTINGS, Cursor(stream))]
    bad = {sample.row: sample for frame in frames for sample in frame.bad if frame.cursor.epoch == 0}
    assert set(bad) == {3, 17}
    assert bad[3].why == ("OSError: " + "x" * 1000)[:300] and bad[3].where == "_Dataset row 3"
    assert "'1' changes between batches" in bad[17].why


def test_good_samples_keep_what_they_drew():
    """Up to the first bad sample a batch is what it would be without it, noise and all."""
    ordered = StreamSettings(8, epochs=1, pass_bad=True)
    clean = _frames(loader_input(DataLoader(_Dataset(), 8)), ordered, Cursor(0))[0]
    torn = _frames(loader_input(DataLoader(_Dataset({5}), 8)), ordered, Cursor(0))[0]
    assert torn.row_numbers.tolist() == [0, 1, 2, 3, 4, 4, 6, 7]
    assert np.array_equal(clean.batch["1"][:5], torn.batch["1"][:5])
    assert torn.digests[0] == values_digest(torn.batch) != clean.digests[0]


def test_a_batch_without_a_good_sample_raises():
    """There is nothing to stand in: the stream ends with what the source said, and where."""
    with pytest.raises(InvalidInput, match="row 4 is torn") as caught:
        _frames(Input(_Numbers({4, 5, 6, 7})), StreamSettings(4, pass_bad=True), Cursor(0))
    assert "stream 0 epoch 0 batch 1" in caught.value.where


def test_the_first_bad_sample_raises_where_none_is_passed_over():
    """The default."""
    with pytest.raises(InvalidInput, match="row 4 is torn"):
        _frames(Input(_Numbers({4})), StreamSettings(4), Cursor(0))


def test_what_belongs_to_no_row_is_not_hidden():
    """Where each sample can be read and the batch cannot, as in a collate_fn that fails, the error is raised."""

    def collate(samples):
        if len(samples) > 1:
            raise ValueError("no two of them")
        return torch.tensor(samples)

    opened = loader_input(DataLoader([1.0] * 8, 4, collate_fn=collate))
    with pytest.raises(InvalidInput, match="no two of them"):
        _frames(opened, StreamSettings(4, pass_bad=True), Cursor(0))


def test_a_walked_loader_says_that_it_cannot():
    """Its stream ends as ever; what to do says why no sample was passed over."""

    def raising():
        yield np.zeros(4)
        raise OSError("torn")

    class Walked:
        def __iter__(self):
            return raising()

    with pytest.raises(InvalidInput, match="OSError: torn") as caught:
        _frames(loader_input(Walked()), StreamSettings(4, pass_bad=True), Cursor(0))
    assert "walked cannot be passed over" in caught.value.fix


@pytest.mark.parametrize("budget", [1 << 30, 1], ids=["in memory", "by group"])
def test_a_broken_row_group_is_passed_over_and_read_once(tmp_path, monkeypatch, budget):
    """Every row of it is bad, all others are trained on; the file is asked for it once, not once a row."""
    path = tmp_path / "part.parquet"
    table, plain = pa.table({"n": np.arange(60)}), {"use_dictionary": False, "compression": None}
    pq.write_table(table, path, row_group_size=20, write_page_checksum=True, **plain)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size - 3] ^= 0xFF
    path.write_bytes(data)
    read, decoded = [], ParquetSource._decoded
    monkeypatch.setattr(ParquetSource, "_decoded", lambda s, g: read.append(g.number) or decoded(s, g))
    source = ParquetSource(str(path), memory_budget=budget)
    frames = _frames(Input(source), StreamSettings(10, 1, 1, True, 1, 1, shuffle=True, pass_bad=True), Cursor(0))
    bad = [sample for frame in frames for sample in frame.bad]
    assert sorted(sample.row for sample in bad) == list(range(20, 40))
    assert all("row group 1 row" in sample.where and "damaged" in sample.why for sample in bad)
    taken = {row for frame in frames[:-1] for row in frame.row_numbers.tolist()}
    assert taken == {*range(20), *range(40, 60)}
    assert read.count(1) == 1
