"""One contract for every indexed source: its rows are those that were written, in any order asked for."""

import gzip
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from streamer.columns import check_batch
from streamer.recipe import Column, Recipe
from streamer.sources import GathersInto, IndexedSource
from streamer.sources.idx import IdxSource
from streamer.sources.npz import NpzSource
from streamer.sources.opening import open_recipe
from streamer.sources.parquet import ParquetSource
from streamer.sources.record_index import build_index
from streamer.sources.synthetic import SyntheticSource
from streamer.sources.torch_loader import open_loader
from tests.streamer.sources.record_writing import example, write_records
from wire.elements import ElementSpec, Field

ROWS = 50
IMAGES = np.random.default_rng(0).integers(0, 256, (ROWS, 4, 3), dtype=np.uint8)
LABELS = np.arange(ROWS, dtype=np.uint8) % 10


class _Pairs(Dataset):
    def __len__(self):
        return ROWS

    def __getitem__(self, row):
        return torch.from_numpy(IMAGES[row]), int(LABELS[row])


def write_parquet(folder, files=2, group=10):
    """Two files of 25 rows in row groups of 10, 10 and 5."""
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(ROWS), files)):
        image = pa.array([IMAGES[row].tobytes() for row in rows], pa.binary(12))
        pq.write_table(
            pa.table({"image": image, "label": LABELS[rows]}), folder / f"part-{number}.parquet", row_group_size=group
        )
    return folder


def write_idx(folder, zipped=False):
    """IDX files as torchvision lays them out."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in (("train-images-idx3-ubyte", IMAGES), ("train-labels-idx1-ubyte", LABELS)):
        data = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        (raw / (name + (".gz" if zipped else ""))).write_bytes(gzip.compress(data) if zipped else data)
    return folder


def _npz(folder):
    for number, rows in enumerate(np.array_split(np.arange(ROWS), 3)):
        np.savez(folder / f"{number}.npz", image=IMAGES[rows], label=LABELS[rows])
    return NpzSource(str(folder))


def _npy(folder):
    np.save(folder / "image.npy", IMAGES)
    np.save(folder / "label.npy", LABELS)
    return NpzSource(str(folder))


def _chosen(folder):
    columns = {"label": Column(dtype="int32"), "image": Column(shape=(4, 3))}
    return open_recipe(Recipe(format="parquet", data_dir=str(write_parquet(folder)), batch_size=4, columns=columns))


def _tfrecord(folder, indexed=False):
    """Three files of 17, 17 and 16 records."""
    for number, rows in enumerate(np.array_split(np.arange(ROWS), 3)):
        records = [example(image=[IMAGES[row].tobytes()], label=[int(LABELS[row])]) for row in rows]
        path = write_records(folder / f"part-{number:05d}-of-00003", records)
        if indexed:
            build_index(path)
    columns = {"image": Column(dtype="uint8", shape=(4, 3)), "label": Column()}
    return open_recipe(Recipe(format="tfrecord", data_dir=str(folder), batch_size=4, columns=columns))


SOURCES = {
    "parquet": lambda folder: ParquetSource(str(write_parquet(folder))),
    "parquet by groups": lambda folder: ParquetSource(str(write_parquet(folder)), memory_budget=0),
    "idx": lambda folder: IdxSource(str(write_idx(folder))),
    "idx zipped": lambda folder: IdxSource(str(write_idx(folder, zipped=True))),
    "npz": _npz,
    "npy": _npy,
    "tfrecord": _tfrecord,
    "tfrecord indexed": lambda folder: _tfrecord(folder, indexed=True),
    "chosen columns": _chosen,
    "tensors": lambda _: open_loader(DataLoader(TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(LABELS)), 8)),
    "dataset": lambda _: open_loader(DataLoader(_Pairs(), 8)),
}


@pytest.fixture(params=SOURCES)
def source(request, tmp_path):
    return SOURCES[request.param](tmp_path)


def test_rows_are_what_was_written(source):
    """Any rows, in any order and repeated, are the rows that were written."""
    assert isinstance(source, IndexedSource)
    image, label = ("image", "label") if "image" in source.spec.names else ("0", "1")
    random = np.random.default_rng(1)
    for rows in (
        np.arange(ROWS),
        random.permutation(ROWS),
        random.integers(0, ROWS, 17),
        np.array([49]),
        np.arange(8, 23),
    ):
        batch = source.gather(rows)
        assert np.array_equal(batch[image].reshape(len(rows), 12), IMAGES[rows].reshape(len(rows), 12))
        assert np.array_equal(batch[label], LABELS[rows])


def test_rows_that_are_written_where_they_are_wanted_are_the_same(source):
    """Whatever of it the source can write there: all columns of a source that is in memory lie there then."""
    if not isinstance(source, GathersInto):
        assert source.describe().startswith(("torch DataLoader over _Pairs", "Parquet"))
        return
    rows = np.random.default_rng(2).permutation(ROWS)
    expected = source.gather(rows)
    out = {field.name: np.zeros((ROWS, *field.shape), field.dtype) for field in source.spec.fields}
    batch = source.gather_into(rows, out)
    assert all(np.array_equal(batch[name], expected[name]) for name in source.spec.names)
    for name, column in batch.items():
        written = np.shares_memory(column, out[name])
        assert written == np.array_equal(out[name], expected[name])
        assert written or "read as they are needed" in source.describe() or source.spec.fields[0].dtype == "int32"


def test_batches_are_of_the_spec(source):
    """What is gathered has the dtypes and shapes that the spec says."""
    check_batch(source.gather(np.array([3, 1])), source.spec, "here")


def test_blocks_and_places(source):
    """The blocks add up to the rows, and first and last row have a place with a name."""
    assert sum(source.blocks) == len(source) == ROWS
    assert source.where(0) and source.where(ROWS - 1) and source.describe()


def test_refuses_rows_that_are_not_there(source):
    """A row behind the end is an error, never another row."""
    with pytest.raises(IndexError):
        source.gather(np.array([ROWS]))


def test_synthetic_is_a_function_of_seed_and_row():
    """Synthetic rows do not depend on the batch in which they are asked for; another seed gives others."""
    fields = (
        Field("image", "uint8", (28, 28)),
        Field("weight", "float32"),
        Field("label", "int64"),
        Field("text", "string"),
        Field("flag", "bool", (2,)),
        Field("ids", "int32", (), True),
        Field("boxes", "float16", (4,), True),
    )
    source = SyntheticSource(ElementSpec(fields), 1000, 1)
    whole, part = source.gather(np.arange(1000)), source.gather(np.array([7, 999, 7]))
    check_batch(whole, source.spec, "here")
    for name in ("image", "weight", "label", "text", "flag"):
        assert np.array_equal(whole[name][[7, 999, 7]], part[name])
    first = whole["ids"].offsets
    assert np.array_equal(part["ids"].values[: part["ids"].offsets[1]], whole["ids"].values[first[7] : first[8]])
    assert set(np.unique(whole["label"])) == set(range(10))
    assert len(np.unique(whole["weight"])) > 500
    other = SyntheticSource(ElementSpec(fields), 1000, 2).gather(np.arange(1000))
    assert not np.array_equal(other["image"], whole["image"])
