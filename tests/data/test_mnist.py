"""The MNIST that travels in the repository is all of MNIST, in its order."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

MNIST = Path(__file__).parents[2] / "data" / "mnist"
HISTOGRAMS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
DIGESTS = {
    ("train", "image"): "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    ("train", "label"): "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    ("test", "image"): "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    ("test", "label"): "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


def files(split):
    """The files of a split, in the order of their names."""
    return [pq.ParquetFile(path) for path in sorted((MNIST / split).glob("*.parquet"))]


@pytest.mark.parametrize(("split", "count", "groups"), [("train", 4, [3_000] * 5), ("test", 2, [1_000] * 5)])
def test_a_split_has_several_files_of_several_row_groups(split, count, groups):
    """Sharding is real: rows are spread over files, and each file over row groups of equal size."""
    names = [path.name for path in sorted((MNIST / split).iterdir())]
    assert names == [f"{split}-{i:05d}-of-{count:05d}.parquet" for i in range(count)]
    for file in files(split):
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == groups
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("split", ["train", "test"])
def test_columns_are_pixels_and_digits_without_nulls(split):
    """784 bytes and a uint8 for each sample, and no null is possible."""
    schema = pa.schema([pa.field("image", pa.binary(784), False), pa.field("label", pa.uint8(), False)])
    assert all(file.schema_arrow.equals(schema) for file in files(split))


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_digit_is_there_as_often_as_in_mnist(split):
    """The label histograms are those that MNIST is known by."""
    labels = ds.dataset(MNIST / split).to_table(["label"])["label"].to_numpy()
    assert np.bincount(labels).tolist() == HISTOGRAMS[split]


@pytest.mark.parametrize(("split", "column"), DIGESTS)
def test_the_bytes_and_their_order_are_those_of_the_idx_files(split, column):
    """The digest is that of the IDX file's content: no sample is changed, lost or moved."""
    digest = hashlib.sha256()
    for file in files(split):
        for chunk in file.read([column])[column].chunks:
            width = 784 if column == "image" else 1
            digest.update(memoryview(chunk.buffers()[1])[chunk.offset * width : (chunk.offset + len(chunk)) * width])
    assert digest.hexdigest() == DIGESTS[split, column]


def test_it_is_small_and_its_authors_are_named():
    """The data takes about 12 MB, and its README gives authors and licence."""
    assert sum(path.stat().st_size for path in MNIST.rglob("*.parquet")) < 13e6
    readme = (MNIST / "README.md").read_text()
    for word in ("Yann LeCun", "Corinna Cortes", "Christopher J.C. Burges", "CC BY-SA 3.0"):
        assert word in readme
