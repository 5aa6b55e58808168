"""The index beside a file: it is used when it is right, and told and done without when it is not."""

import logging
import os
import struct

import numpy as np
import pytest

from streamer.sources import record_index
from streamer.sources.record_files import scan
from streamer.sources.record_index import build_index, index_path, locate, read_index
from tests.streamer.sources.record_writing import write_records
from wire.errors import Exhausted, InvalidInput, Refused


@pytest.fixture
def stored(tmp_path):
    return write_records(tmp_path / "x.tfrecord", [b"a", b"", b"ccc"])


def _same(one, other):
    return np.array_equal(one.offsets, other.offsets) and np.array_equal(one.lengths, other.lengths)


def test_an_index_says_what_a_walk_finds(stored):
    """The index is beside the file, says the same as walking over it, and is then used."""
    assert _same(build_index(stored), scan(stored))
    assert index_path(stored).name == "x.tfrecord.index"
    records, why = locate(stored)
    assert why == "" and _same(records, scan(stored)) and records.stamp == scan(stored).stamp
    assert [path.name for path in stored.parent.iterdir() if path != stored] == ["x.tfrecord.index"]


def test_without_an_index_the_file_is_walked_over(stored):
    """A file without an index is read all the same, and it is said."""
    records, why = locate(stored)
    assert why == "has no index" and len(records) == 3


def test_a_stale_index_is_not_believed(stored, caplog):
    """After the file changed its index is refused, and the file walked over, until it is built again."""
    build_index(stored)
    write_records(stored, [b"aaaa", b"cccccccc"])
    os.utime(stored, ns=(0, 1))
    with pytest.raises(InvalidInput, match="changed after it was indexed") as caught:
        read_index(stored)
    assert "streamer index" in caught.value.fix
    with caplog.at_level(logging.WARNING):
        records, why = locate(stored)
    assert records.lengths.tolist() == [4, 8] and "changed" in why and str(index_path(stored)) in caplog.text
    build_index(stored)
    assert locate(stored)[1] == ""


def test_a_damaged_index_is_never_believed(stored):
    """Whichever byte of an index is changed or cut off, it is refused and the file walked over instead."""
    build_index(stored)
    index, true = index_path(stored), scan(stored)
    good = index.read_bytes()
    damaged = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    damaged += [good[:size] for size in range(len(good))] + [good + b"\0" * 16]
    for content in damaged:
        index.write_bytes(content)
        with pytest.raises(InvalidInput):
            read_index(stored)
        assert _same(locate(stored)[0], true)


def test_an_index_whose_records_do_not_fill_the_file(stored):
    """An index with right checksums whose records overlap or leave gaps is refused."""
    import google_crc32c

    stamp = scan(stored).stamp
    for offsets, lengths in (([0, 17], [1, 3]), ([0, 16], [1, 3]), ([], []), ([0, 17, 33], [1, 0, -3])):
        head = struct.pack("<8sIqqq", b"TFRINDEX", 1, *stamp, len(lengths))
        body = np.array([offsets, lengths], "<i8").tobytes()
        index_path(stored).write_bytes(head + struct.pack("<I", google_crc32c.value(head + body)) + body)
        with pytest.raises(InvalidInput, match="do not fill"):
            read_index(stored)


def test_somebody_elses_index(stored):
    """Another program's file of that name is not used and not written over; what is empty is."""
    index_path(stored).write_bytes(b"0 17\n17 16\n")
    assert "no index of ours" in locate(stored)[1]
    with pytest.raises(Refused, match="not written over"):
        build_index(stored)
    assert index_path(stored).read_bytes() == b"0 17\n17 16\n"
    index_path(stored).write_bytes(b"")
    assert _same(build_index(stored), read_index(stored))


@pytest.mark.parametrize(("number", "kind"), [(28, Exhausted), (13, Refused)])
def test_an_index_is_there_whole_or_not_at_all(stored, monkeypatch, number, kind):
    """A disk that is full, or closed to us, leaves the old index and nothing half-written."""
    build_index(stored)
    before = index_path(stored).read_bytes()

    def fails(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(record_index.os, "fsync", fails)
    with pytest.raises(kind, match="cannot be written"):
        build_index(stored)
    assert index_path(stored).read_bytes() == before and len(list(stored.parent.iterdir())) == 2


def test_an_index_outside_the_data_root(tmp_path):
    """An index that links out of the data root is neither read nor written."""
    (root := tmp_path / "root").mkdir()
    path = write_records(root / "x.tfrecord", [b"a"])
    (tmp_path / "secret").write_bytes(b"")
    index_path(path).symlink_to(tmp_path / "secret")
    for reach in (locate, build_index):
        with pytest.raises(Refused, match="outside the data root"):
            reach(path, root)
