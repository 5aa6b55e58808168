"""The script that makes data/mnist."""

import gzip
import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest

PATH = Path(__file__).parents[2] / "scripts" / "mnist_to_parquet.py"
ROWS = {"train": 4_001, "t10k": 1_503}


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("mnist_to_parquet", PATH)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # dataclasses look their module up
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def idx(array):
    """An array as a gzipped IDX file."""
    return gzip.compress(struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture
def source(tmp_path):
    """A directory with a small MNIST of random pixels, and what is in it."""
    directory, arrays, random = tmp_path / "idx", {}, np.random.default_rng(1)
    directory.mkdir()
    for prefix, rows in ROWS.items():
        arrays[prefix] = random.integers(0, 256, (rows, 28, 28), np.uint8), random.integers(0, 10, rows, np.uint8)
        (directory / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(arrays[prefix][0]))
        (directory / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(arrays[prefix][1]))
    return directory, arrays


def test_every_sample_is_written_in_order(script, source, tmp_path):
    """Rows that do not divide evenly are spread over the files, none lost, none moved."""
    directory, arrays = source
    assert script.main([str(directory), "--out", str(tmp_path / "out")]) == 0
    for split, prefix, files in (("train", "train", 4), ("test", "t10k", 2)):
        table = ds.dataset(sorted((tmp_path / "out" / split).iterdir())).to_table()
        assert len(list((tmp_path / "out" / split).iterdir())) == files
        images, labels = arrays[prefix]
        assert b"".join(table["image"].to_pylist()) == images.tobytes()
        assert table["label"].to_pylist() == labels.tolist()


def test_the_same_input_gives_the_same_bytes(script, source, tmp_path):
    """Making the data again changes no file."""
    written = []
    for out in (tmp_path / "one", tmp_path / "two"):
        script.main([str(source[0]), "--out", str(out)])
        written.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*.parquet")})
    assert len(written[0]) == 6
    assert written[0] == written[1]


def truncated(path):
    """A gzip file that breaks off."""
    path.write_bytes(path.read_bytes()[:100])


def shortened(path):
    """An IDX file with a pixel too few."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


def unzipped(path):
    """An IDX file that is not compressed."""
    path.write_bytes(gzip.decompress(path.read_bytes()))


def headless(path):
    """A header of another dtype."""
    path.write_bytes(gzip.compress(b"\0\0\x0b\3" + gzip.decompress(path.read_bytes())[4:]))


@pytest.mark.parametrize("damage", [Path.unlink, truncated, shortened, unzipped, headless])
def test_a_damaged_file_is_one_clear_line(script, source, tmp_path, capsys, damage):
    """The command says what is wrong with which file, and fails."""
    damage(source[0] / "train-images-idx3-ubyte.gz")
    assert script.main([str(source[0]), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "train-images-idx3-ubyte.gz" in error


def test_labels_of_another_number_are_refused(script, source, tmp_path, capsys):
    """Images and labels have to be of one number."""
    (source[0] / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(7, np.uint8)))
    assert script.main([str(source[0]), "--out", str(tmp_path / "out")]) == 1
    assert "does not fit 7 labels" in capsys.readouterr().err
