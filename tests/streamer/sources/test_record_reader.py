"""Reading records: any of them in any order, few files open, from many threads, and never a damaged one."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from streamer.sources import record_reader
from streamer.sources.record_files import scan
from streamer.sources.record_reader import RecordReader
from tests.streamer.sources.record_writing import write_records
from wire.errors import InvalidInput


def _records(count, seed=0):
    random = np.random.default_rng(seed)
    return [random.bytes(int(random.integers(0, 60))) for _ in range(count)]


@pytest.mark.parametrize("longest_run", [1, 100, 1 << 22])
def test_records_come_as_asked(tmp_path, monkeypatch, longest_run):
    """Neighbours, repetitions and any order give the records asked for, however much is read at once."""
    monkeypatch.setattr(record_reader, "_LONGEST_RUN", longest_run)
    written = _records(40)
    reader = RecordReader([scan(write_records(tmp_path / "x", written))])
    random = np.random.default_rng(1)
    for numbers in (np.arange(40), np.arange(39, -1, -1), random.integers(0, 40, 70), np.array([], np.int64)):
        assert reader.read(0, numbers) == [written[number] for number in numbers]


def test_what_is_read_at_once():
    """Records that lie together are read at once, those that do not are not, and never many more bytes than allowed."""
    begins = np.array([0, 10, 20, 50, 60, 60])
    assert record_reader._runs(begins, begins + 10) == [(0, 3), (3, 5), (5, 6)]
    long = np.arange(100) * (record_reader._LONGEST_RUN // 10)
    runs = record_reader._runs(long, long + record_reader._LONGEST_RUN // 10)
    assert runs[0][0] == 0 and runs[-1][1] == 100 and all(one[1] == two[0] for one, two in itertools.pairwise(runs))
    assert max(stop - start for start, stop in runs) <= 11
    assert record_reader._runs(begins[:0], begins[:0]) == []


def test_threads_read_many_files_with_few_of_them_open(tmp_path, monkeypatch):
    """More threads and files than may be open: each gets what it asked for, and the files are closed again."""
    monkeypatch.setattr(record_reader, "_OPEN_FILES", 2)
    written = [_records(10, seed) for seed in range(7)]
    reader = RecordReader([scan(write_records(tmp_path / str(n), records)) for n, records in enumerate(written)])
    with ThreadPoolExecutor(5) as threads:
        numbers = np.arange(10)
        asked = [threads.submit(reader.read, turn % 7, numbers) for turn in range(70)]
        assert [future.result() for future in asked] == [written[turn % 7] for turn in range(70)]
    assert _held(tmp_path) == 2
    del reader
    assert _held(tmp_path) == 0


def _held(folder):
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - one may go meanwhile
    return sum(link.is_symlink() and str(folder) in os.readlink(link) for link in links)  # noqa: PTH115 - no target


def test_every_damaged_byte_is_noticed(tmp_path):
    """Whichever byte of a record changes behind an index, that record raises and the others are read."""
    path = write_records(tmp_path / "x", [b"first", b"second", b"third"])
    good, records = path.read_bytes(), scan(path)
    begin, end = int(records.offsets[1]), int(records.offsets[2])
    for at in range(begin, end):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :])
        os.utime(path, ns=(0, records.stamp.mtime_ns))
        reader = RecordReader([records])
        assert reader.read(0, np.array([0, 2])) == [b"first", b"third"]
        with pytest.raises(InvalidInput, match="record 1 is damaged") as caught:
            reader.read(0, np.arange(3))
        assert caught.value.where == f"{path} record 1" and "bad_samples" in caught.value.fix


def test_a_file_that_changes_is_not_read_on(tmp_path):
    """A file that was written anew after it was looked at raises; one that is shortened while open does too."""
    path = write_records(tmp_path / "x", [b"abc", b"def"])
    records = scan(path)
    open_before = RecordReader([records])
    assert open_before.read(0, np.array([0])) == [b"abc"]
    os.truncate(path, 20)
    with pytest.raises(InvalidInput, match="changed"):
        RecordReader([records]).read(0, np.array([0]))
    with pytest.raises(InvalidInput, match="record 1 is damaged"):
        open_before.read(0, np.array([1]))
