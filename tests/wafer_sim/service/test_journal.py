"""The journal on disk: what is written comes back, and nothing that cannot be read is taken for nothing."""

import sqlite3
import subprocess
import sys
import zlib

import pytest

from wafer_sim.service.journal import FORMAT, NAME, Journal
from wire.errors import Exhausted, InvalidInput, Refused
from wire.v1 import journal_pb2, run_pb2

Record = journal_pb2.Record
KILLED = """
import os, signal, sys
from pathlib import Path
from wafer_sim.service.journal import Journal
from wire.v1 import journal_pb2
journal = Journal(Path(sys.argv[1]))
journal.begin()
journal.append([journal_pb2.Record(cancelled=journal_pb2.RunCancelled(run_id="run-9"))])
os.kill(os.getpid(), signal.SIGKILL)
"""


def submitted(run_id):
    return Record(submitted=journal_pb2.RunSubmitted(run_id=run_id, spec=run_pb2.RunSpec(max_steps=5)))


@pytest.fixture
def opened(tmp_path):
    """Opens the journal in a directory; all are closed at the end of the test."""
    journals = []

    def open_it(folder=tmp_path):
        journals.append(Journal(folder))
        return journals[-1]

    yield open_it
    for journal in journals:
        journal.close()


@pytest.fixture
def written(tmp_path):
    """A journal that was closed, with two records of one run; the path of its file."""
    journal = Journal(tmp_path)
    journal.begin()
    journal.append([submitted("run-1"), Record(cancelled=journal_pb2.RunCancelled(run_id="run-1"))])
    journal.close()
    return tmp_path / NAME


def test_records_come_back_in_order_and_terms_rise(opened):
    """Each beginning is a term of its own, above the one before."""
    journal = opened()
    assert journal.begin() == (1, [])
    told = [submitted("run-1"), submitted("run-2"), Record(cancelled=journal_pb2.RunCancelled(run_id="run-1"))]
    journal.append(told[:2])
    journal.append(told[2:])
    journal.close()
    journal = opened()
    assert journal.begin() == (2, told)
    assert journal.begin() == (3, told)


def test_what_was_appended_survives_a_kill(tmp_path, opened):
    """A process that is killed right after an append leaves what it wrote to the next one."""
    command = (sys.executable, "-c", KILLED, str(tmp_path))
    assert subprocess.run(command, timeout=20, check=False).returncode == -9
    assert opened().begin() == (2, [Record(cancelled=journal_pb2.RunCancelled(run_id="run-9"))])


def test_what_does_not_matter_any_more_is_dropped_for_good(written, opened):
    """A forgotten run leaves nothing behind in the file."""
    journal = opened()
    journal.append([Record(forgotten=journal_pb2.RunForgotten(run_id="run-1")), submitted("run-2")])
    assert journal.begin() == (2, [submitted("run-2")])
    journal.close()
    database = sqlite3.connect(written)
    assert database.execute("SELECT count(*) FROM records").fetchone() == (2,)
    database.close()


def test_all_records_of_an_append_are_written_or_none(opened):
    """Where the disk is full in the middle, the ones before are not there either, and the journal goes on after."""
    journal = opened()
    journal.begin()
    journal._database.execute("PRAGMA max_page_count = 3")
    big = journal_pb2.RunSubmitted(run_id="r", spec=run_pb2.RunSpec(optimizer="x" * 100_000))
    with pytest.raises(Exhausted, match="full") as caught:
        journal.append([submitted("run-1"), Record(submitted=big)])
    assert NAME in caught.value.where
    journal._database.execute("PRAGMA max_page_count = 100000")
    journal.append([submitted("run-2")])
    assert journal.begin() == (2, [submitted("run-2")])


def flip(path):
    """One bit of the last record."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"run-1")
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"hello " * 2000), "no journal"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "page"),
        (flip, "checksum of record"),
    ],
    ids=["empty", "text", "cut", "a bit"],
)
def test_a_damaged_file_is_one_clear_error(written, damage, said):
    """It names the file, says what to do, and leaves the file as it is."""
    damage(written)
    before = written.read_bytes()
    with pytest.raises(InvalidInput, match=said) as caught:
        _begun(written.parent)
    assert caught.value.where == str(written)
    assert "--state-dir" in caught.value.fix
    assert written.read_bytes() == before


def test_a_file_of_another_program_is_not_taken(tmp_path):
    """A sound database that is no journal is refused, and not changed."""
    database = sqlite3.connect(tmp_path / NAME)
    database.execute("CREATE TABLE records (number INTEGER)")
    database.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(InvalidInput, match="no journal"):
        _begun(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def changed(path, *statements):
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(*statement)
    database.commit()
    database.close()


def test_a_file_of_a_later_format_is_refused(written):
    """It is not read as far as it goes."""
    changed(written, (f"PRAGMA user_version = {FORMAT + 1}",))
    with pytest.raises(Refused, match="later version") as caught:
        _begun(written.parent)
    assert caught.value.where == str(written)


def test_a_record_of_a_later_version_is_refused(written):
    """A kind of record that nobody here knows is not passed over."""
    unknown = bytes((0x9A, 0x06, 0x00))  # field 99, empty
    changed(written, ("UPDATE records SET record = ?, crc = ? WHERE number = 3", (unknown, zlib.crc32(unknown))))
    with pytest.raises(Refused, match="kind that this version does not know"):
        _begun(written.parent)


def test_a_directory_that_cannot_be_written_is_said(tmp_path):
    """The journal's path is in the error."""
    with pytest.raises(Exhausted) as caught:
        Journal(tmp_path / "missing")
    assert NAME in caught.value.where


def _begun(folder):
    journal = Journal(folder)
    try:
        return journal.begin()
    finally:
        journal.close()
