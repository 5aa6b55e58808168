"""Finding the records of a TFRecord file: names, headers, and what is wrong with a file."""

import gzip
import os
import zlib

import pytest

from streamer.sources.record_files import is_record_file, scan
from tests.streamer.sources.record_writing import framed, write_records
from wire.errors import InvalidInput

# written by tf.io.TFRecordWriter of TensorFlow 2.21
OF_TENSORFLOW = bytes.fromhex("490000000000000036250ea3") + b"." * 73 + bytes.fromhex("b73da75f")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a.tfrecord", True),
        ("a.tfrecords", True),
        ("train-00000-of-00010", True),
        ("train.tfrecord-00000-of-00010", True),
        ("train-00000-of-00010.tfrecord", True),
        ("a.tfrecord.gz", True),
        ("a.tfrecord.index", False),
        ("train-00000-of-00010.parquet", False),
        ("tfrecord", False),
    ],
)
def test_names(name, is_one):
    """TFRecord files are known by their ending or by their shard's number; an index is none."""
    assert is_record_file(name) is is_one


def test_headers_are_those_of_tensorflow(tmp_path):
    """The checksum of a length is the one that TensorFlow writes."""
    (path := tmp_path / "x").write_bytes(OF_TENSORFLOW)
    assert scan(path).lengths.tolist() == [73]


@pytest.mark.parametrize("sizes", [[0], [5, 0, 7], [300_000, 3, 20_000, 20_000, 1], [40] * 9000])
def test_scan_finds_every_record(tmp_path, sizes):
    """Offsets and lengths are those of the records, be they empty, small, or longer than what is read at once."""
    records = scan(write_records(tmp_path / "x", [bytes(size) for size in sizes]))
    assert records.lengths.tolist() == sizes
    assert records.offsets.tolist() == [sum(sizes[:n]) + 16 * n for n in range(len(sizes))]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (framed(b"abc")[:7], "cut off in record 0"),
        (framed(b"abc")[:-1], "cut off in record 0"),
        (framed(b"abc") + framed(b"de")[:13], "cut off in record 1"),
        (framed(b"abc") + b"\0", "cut off in record 1"),
        (b"PAR1" * 9, "no TFRecord file"),
        (gzip.compress(framed(b"abc"), mtime=0), "GZIP-compressed"),
        (zlib.compress(framed(b"abc")), "ZLIB-compressed"),
        (framed(b"abc") + b"\xff" * 40, "length of record 1 is damaged"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, data, message):
    """A file that is empty, cut off, compressed or none is told in one sentence, with its name."""
    (path := tmp_path / "x.tfrecord").write_bytes(data)
    with pytest.raises(InvalidInput, match=message) as caught:
        scan(path)
    assert caught.value.where.startswith(str(path)) and caught.value.fix


def test_a_pipe_is_not_waited_for(tmp_path):
    """What is no regular file is refused, not opened."""
    os.mkfifo(tmp_path / "x.tfrecord")
    for path in (tmp_path / "x.tfrecord", tmp_path):
        with pytest.raises(InvalidInput, match="no file"):
            scan(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        scan(tmp_path / "none")
