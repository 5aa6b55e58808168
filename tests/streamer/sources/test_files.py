"""What goes wrong with files: each error names the file, and nothing outside the data root is read."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.sources.files import find
from streamer.sources.idx import IdxSource, read_idx
from streamer.sources.npz import NpzSource
from streamer.sources.parquet import ParquetSource
from wire.elements import Ragged
from wire.errors import InvalidInput, NotFound, Refused


def _parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=4)
    return path


def test_missing_data_dir_is_resolved(tmp_path, monkeypatch):
    """A missing relative data_dir is named as the absolute path that was looked at."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=f"no {tmp_path}/nowhere"):
        find("./nowhere", ".parquet")
    with pytest.raises(NotFound, match=r"no \.parquet file in"):
        find(str(tmp_path), ".parquet")


def test_patterns_and_uris(tmp_path):
    """A file, a folder, a pattern and a URI name the same files, sorted."""
    for name in ("b", "a"):
        _parquet(tmp_path / f"{name}.parquet", x=[1])
    both = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    for given in (str(tmp_path), f"{tmp_path}/*.parquet", f"file://{tmp_path}"):
        assert find(given, ".parquet")[1] == both
    assert find(both[1], ".parquet")[1] == both[1:]


def test_memory_file_system():
    """Parquet is read through any fsspec file system."""
    import fsspec

    with fsspec.open("memory://set/one.parquet", "wb") as file:
        pq.write_table(pa.table({"x": [5, 6, 7]}), file)
    source = ParquetSource("memory://set")
    assert source.gather(np.array([2, 0]))["x"].tolist() == [7, 5]


def test_nothing_outside_the_data_root(tmp_path):
    """Neither a path, nor a symlink inside the root, nor a URI leads out of the data root."""
    (root := tmp_path / "root").mkdir()
    outside = _parquet(tmp_path / "secret.parquet", x=[1])
    (root / "link.parquet").symlink_to(outside)
    for given in (str(outside), f"{root}/../secret.parquet", str(root), f"{root}/*.parquet", "s3://bucket/x"):
        with pytest.raises(Refused, match="outside the data root"):
            ParquetSource(given, data_root=root)
    inside = _parquet(root / "fine.parquet", x=[1])
    assert len(ParquetSource(str(inside), data_root=root)) == 1


def test_idx_link_out_of_the_root(tmp_path):
    """IDX files that link out of the data root are refused."""
    (root := tmp_path / "root").mkdir()
    (tmp_path / "images").write_bytes(b"\0\0\x08\x01\0\0\0\1\0")
    (root / "train-images-idx3-ubyte").symlink_to(tmp_path / "images")
    with pytest.raises(Refused, match="outside"):
        IdxSource(str(root), data_root=root)


@pytest.mark.parametrize(("first", "count"), [(0, 400), (4000, 1)], ids=["page header", "one byte of the data"])
def test_damaged_row_group_is_named(tmp_path, first, count):
    """A Parquet file with a damaged page is named with its row group; checksums tell where only values changed."""
    path = tmp_path / "x.parquet"
    values = np.random.default_rng(0).integers(0, 2**60, 3000)
    how = {"use_dictionary": False, "write_page_checksum": True, "compression": "none"}
    pq.write_table(pa.table({"x": values}), path, row_group_size=1000, **how)
    at = first + pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[at : at + count] = bytes(byte ^ 0xFF for byte in data[at : at + count])
    path.write_bytes(data)
    for budget in (0, 1 << 30):
        source = ParquetSource(str(path), memory_budget=budget)
        with pytest.raises(InvalidInput, match="damaged") as caught:
            source.gather(np.array([1500]))
        assert caught.value.where == f"{path} row group 1"


def test_no_parquet_file(tmp_path):
    """A file that is no Parquet file is named."""
    (path := tmp_path / "x.parquet").write_bytes(b"hello")
    with pytest.raises(InvalidInput, match="no Parquet file") as caught:
        ParquetSource(str(path))
    assert caught.value.where == str(path)


def test_parquet_kinds(tmp_path):
    """Strings, dictionaries, lists, bytes, fixed lists and half floats become fields of the right kind."""
    columns = {
        "text": pa.array(["a", "bc", "", "d", "e"]),
        "kind": pa.array(["x", "y", "x", "x", "y"]).dictionary_encode(),
        "ids": pa.array([[1, 2], [], [3], [4, 5, 6], []], pa.list_(pa.int32())),
        "blob": pa.array([b"ab", b"", b"c", b"d", b"e"], pa.binary()),
        "box": pa.array([[float(i)] * 4 for i in range(5)], pa.list_(pa.float32(), 4)),
        "half": pa.array(np.arange(5, dtype=np.float16)),
        "flag": pa.array([True, False, True, True, False]),
    }
    path = _parquet(tmp_path / "x.parquet", **columns)
    for budget in (0, 1 << 30):
        source = ParquetSource(str(path), memory_budget=budget)
        assert [str(field) for field in source.spec.fields] == [
            "text: string()",
            "kind: string()",
            "ids: int32(var)",
            "blob: uint8(var)",
            "box: float32(4)",
            "half: float16()",
            "flag: bool()",
        ]
        batch = source.gather(np.array([3, 4, 1, 0]))
        assert batch["text"].tolist() == ["d", "e", "bc", "a"]
        assert batch["kind"].tolist() == ["x", "y", "y", "x"]
        assert isinstance(batch["ids"], Ragged) and batch["ids"].values.tolist() == [4, 5, 6, 1, 2]
        assert batch["ids"].offsets.tolist() == [0, 3, 3, 3, 5]
        assert batch["blob"].values.tobytes() == b"deab"
        assert batch["box"].tolist() == [[3.0] * 4, [4.0] * 4, [1.0] * 4, [0.0] * 4]
        assert batch["half"].tolist() == [3, 4, 1, 0]
        assert batch["flag"].tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, None, 3]), "'x' has 1 missing"),
        (pa.array([[1, None], [2, 3]], pa.list_(pa.int32(), 2)), "missing"),
    ],
)
def test_missing_values(tmp_path, column, message):
    """Missing values are refused, at any depth, with the column."""
    source = ParquetSource(str(_parquet(tmp_path / "x.parquet", x=column)))
    with pytest.raises(InvalidInput, match=message):
        source.gather(np.array([0]))


def test_parquet_columns_and_schemas(tmp_path):
    """An unknown column, a type that cannot travel and a file with another schema are named."""
    _parquet(tmp_path / "a.parquet", x=[1], when=pa.array([0], pa.timestamp("s")))
    with pytest.raises(InvalidInput, match="no column 'y'"):
        ParquetSource(str(tmp_path), ["y"])
    with pytest.raises(InvalidInput, match="'when' has type timestamp"):
        ParquetSource(str(tmp_path))
    _parquet(tmp_path / "b.parquet", x=[1.5])
    with pytest.raises(InvalidInput, match="float64") as caught:
        ParquetSource(str(tmp_path), ["x"])
    assert caught.value.where.endswith("b.parquet")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no IDX file"),
        (b"\1\0\x08\1\0\0\0\1\0", "no IDX file"),
        (b"\0\0\x08\3\0\0\0\1", "header .* cut off"),
        (b"\0\0\x08\0", "cut off"),
        (b"\0\0\x08\1\0\0\0\5abc", "the file holds 3"),
        (b"\0\0\x08\2\xff\xff\xff\xff\xff\xff\xff\xff", "the file holds 0"),
        (gzip.compress(b"\0\0\x08\1\0\0\0\1a", mtime=0)[:-4], "gzip file is damaged"),
    ],
)
def test_damaged_idx(tmp_path, data, message):
    """An IDX file whose header or content is wrong is refused before anything is allocated."""
    (path := tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(InvalidInput, match=message) as caught:
        read_idx(path)
    assert caught.value.where == str(path)


def test_idx_byte_order(tmp_path):
    """Wide numbers come out in the machine's byte order."""
    (path := tmp_path / "x").write_bytes(b"\0\0\x0c\1\0\0\0\2\0\0\0\1\xff\xff\xff\xfe")
    array = read_idx(path)
    assert array.tolist() == [1, -2] and array.dtype.isnative


def test_npz_errors(tmp_path):
    """Pickled objects, unequal lengths and damaged files are refused with the file."""
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    np.savez(tmp_path / "b.npz", x=np.zeros(2), y=np.zeros(3))
    (tmp_path / "c.npz").write_bytes(b"PK\3\4 not")
    for name, message in (("a", "allow_pickle"), ("b", "different lengths"), ("c", "cannot be read")):
        with pytest.raises(InvalidInput, match=message) as caught:
            NpzSource(str(tmp_path / f"{name}.npz"))
        assert caught.value.where.startswith(str(tmp_path))


def test_npy_is_mapped(tmp_path):
    """A .npy file is mapped into memory, not read."""
    np.save(tmp_path / "x.npy", np.arange(10))
    source = NpzSource(str(tmp_path / "x.npy"))
    assert "mapped" in source.describe() and source.gather(np.array([4]))["x"].tolist() == [4]
