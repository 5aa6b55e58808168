"""Packed documents: every item of every document once, in order, an end behind each; any samples in any order."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.pipeline import StreamSettings, recipe_input
from streamer.recipe import Recipe
from streamer.recipe_column import Pack
from streamer.sources.packed import Packed
from tests.streamer.sources.record_writing import example, write_records
from wire.elements import ElementSpec, Field, Ragged
from wire.errors import InvalidInput

END = 99


class _Documents:
    """Documents in memory."""

    random = False
    spec = ElementSpec((Field("t", "int32", ragged=True),))

    def __init__(self, documents):
        self._documents = documents
        self.blocks = (len(documents),)

    def __len__(self):
        return len(self._documents)

    def gather(self, rows):
        chosen = [self._documents[row] for row in rows.tolist()]
        values = np.array([item for items in chosen for item in items], np.int32)
        return {"t": Ragged(values, np.cumsum([0, *map(len, chosen)]))}

    def describe(self):
        return "documents"

    def where(self, row):
        return f"document {row}"


def _slowly(documents, to):
    """What packing means, one item after the other."""
    items = [item for document in documents for item in (*document, END)]
    items += [END] * (-len(items) % to)
    return [items[at : at + to] for at in range(0, len(items), to)]


def _recipe(path, kind, **section):
    columns = {"t": {"dtype": "int32", "pack": {"to": 4, "end": END}}}
    section = {"format": kind, "data_dir": str(path), "columns": columns, "batch_size": 2, **section}
    return Recipe.from_params(section, "train_input")


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=11), min_size=1, max_size=9),
    st.integers(1, 6),
    st.booleans(),
    st.data(),
)
def test_samples_are_the_documents(documents, to, kept, data):
    """For any documents and length, in memory or not, any samples in any order are those of the plain definition."""
    source = Packed(_Documents(documents), Pack(to=to, end=END), 1 << 20 if kept else 0)
    whole = _slowly(documents, to)
    assert len(source) == len(whole) == sum(source.blocks)
    rows = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=9))
    assert source.gather(np.array(rows, np.int64))["t"].tolist() == [whole[row] for row in rows]


def test_an_epoch_has_each_item_once_and_resumes(tmp_path):
    """Shuffled, in two streams and from any cursor on: the samples of an epoch are the documents', each once."""
    documents = [list(range(n)) for n in (5, 0, 9, 3, 2)]
    pq.write_table(pa.table({"t": documents}), tmp_path / "a.parquet")
    opened = recipe_input(_recipe(tmp_path, "parquet"))
    plan = StreamSettings(2, 1, 2, epochs=1, seed=3, shuffle=True)
    frames = {}
    for stream in range(2):
        frame = _first(opened, plan, opened.first(plan, stream))
        while not frame.end:  # each is opened at its own cursor: nothing else is known
            frames[frame.cursor] = frame
            frame = _first(opened, plan, frame.following)
    found = sorted(row for frame in frames.values() for row in frame.batch["t"].tolist())
    assert found == sorted(_slowly(documents, 4)) and len(frames) == 3


def _first(opened, plan, cursor):
    pipeline = opened.open(plan, cursor)
    try:
        return pipeline.get(20)
    finally:
        pipeline.close()


def test_records_of_one_length_are_documents_too(tmp_path):
    """TFRecord documents are taken as lists though all that were looked at have one length."""
    write_records(tmp_path / "a.tfrecord", [example(t=[n] * 3) for n in range(4)])
    opened = recipe_input(_recipe(tmp_path, "tfrecord"))
    assert opened.source.gather(np.arange(4))["t"].tolist() == _slowly([[n] * 3 for n in range(4)], 4)
    assert "4 samples of 4 items: 4 documents, 12 items" in opened.describe()


def test_a_sample_names_its_documents():
    """Where a sample comes from is said by its documents."""
    source = Packed(_Documents([[1] * 3, [2] * 6, [3]]), Pack(to=4, end=END))
    assert source.where(0) == "packed sample 0, of document 0"
    assert source.where(2) == "packed sample 2, of document 1 to document 2"


@pytest.mark.parametrize(("field", "end"), [(Field("t", "int32"), 0), (Field("t", "uint8", ragged=True), 300)])
def test_what_cannot_be_packed_is_refused(field, end):
    """Columns that hold no lists, and an end that the dtype cannot hold, are named."""
    source = _Documents([[1]])
    source.spec = ElementSpec((field,))
    with pytest.raises(InvalidInput, match=r"no lists of numbers|cannot hold 300"):
        Packed(source, Pack(to=2, end=end))
