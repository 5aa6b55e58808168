"""The journal of a coordinator on disk: an sqlite3 database that survives whatever ends the process."""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from google.protobuf.message import DecodeError

from wafer_sim.service.compaction import needed
from wire.errors import Exhausted, Fault, InvalidInput, Refused
from wire.v1 import journal_pb2

Record = journal_pb2.Record

NAME = "coordinator.db"
FORMAT = 1
_APPLICATION = 0x57534A31  # "WSJ1", in the header of the file: another program's database is not taken for ours
_MAGIC = b"SQLite format 3\0"
_HEADER = struct.Struct(">16s44xI4xI")
"""What sqlite's file format has at offsets 0, 60 (user_version) and 68 (application_id)."""
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA", "SQLITE_ERROR")


class Journal:
    """The records in state_dir/coordinator.db, in the order in which they were appended.

    May be used from any thread, by one at a time. Raises, here and in every method, InvalidInput for a damaged file,
    Refused for one that a later version wrote, Exhausted where the disk does not take it or give it back. A file that
    cannot be read is never replaced by an empty one.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        if not self._path.exists():
            _create(self._path)
        with _faults(self._path):
            self._require_ours()
            self._database = _connected(self._path)

    def begin(self) -> tuple[int, list[Record]]:
        """Begin a term: its number, one above the last, and what the coordinators before this one left.

        What does not matter any more is dropped, in the same transaction that writes the term down.
        """
        with _faults(self._path), self._transaction():
            rows = self._database.execute("SELECT number, crc, record FROM records ORDER BY number").fetchall()
            records = [self._record(*row) for row in rows]
            kept = needed(records)
            dropped = set(range(len(rows))).difference(kept)
            self._database.executemany("DELETE FROM records WHERE number = ?", [(rows[i][0],) for i in dropped])
            term = 1 + max((record.term.term for record in records if record.HasField("term")), default=0)
            self._insert([Record(term=journal_pb2.TermBegun(term=term))])
        return term, [records[index] for index in kept]

    def append(self, records: Sequence[Record]) -> None:
        """Write records down, all or none; they are on the disk when this returns."""
        with _faults(self._path), self._transaction():
            self._insert(records)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _insert(self, records: Sequence[Record]) -> None:
        rows = [(zlib.crc32(data), data) for data in (record.SerializeToString() for record in records)]
        self._database.executemany("INSERT INTO records (crc, record) VALUES (?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _record(self, number: int, crc: int, data: bytes) -> Record:
        if zlib.crc32(data) != crc:
            raise _damaged(self._path, f"the checksum of record {number} is wrong")
        try:
            record = Record.FromString(data)
        except DecodeError as error:
            raise _damaged(self._path, f"record {number} cannot be read") from error
        if record.WhichOneof("record") is None:
            raise _too_new(self._path, f"record {number} is of a kind that this version does not know")
        return record

    def _require_ours(self) -> None:
        """Asked without writing anything: what a damaged file still holds stays there for whoever can read it."""
        with self._path.open("rb") as file:
            header = file.read(_HEADER.size)
        if not header:
            raise _damaged(self._path, "it is empty")
        if len(header) < _HEADER.size:
            raise _damaged(self._path, "it is cut off")
        magic, version, application = _HEADER.unpack(header)
        if magic != _MAGIC or application != _APPLICATION:
            raise _damaged(self._path, "it is no journal of a coordinator")
        if version > FORMAT:
            raise _too_new(self._path, f"it has format {version}, and this version reads {FORMAT}")
        with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise _damaged(self._path, found)


def _connected(path: Path) -> sqlite3.Connection:
    # The hub's lock lets one thread at a time in.
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


def _create(path: Path) -> None:
    """An empty journal, which is there whole or not at all."""
    new = path.with_suffix(".new")
    try:
        new.unlink(missing_ok=True)
        with _faults(path), closing(sqlite3.connect(new, isolation_level=None)) as database:
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
            database.execute(
                "CREATE TABLE records (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, record BLOB NOT NULL)"
            )
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(_DAMAGE):
            raise _damaged(path, str(error)) from error
        raise _unwritable(path, str(error)) from error
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _damaged(path: Path, why: str) -> Fault:
    return InvalidInput(
        f"the journal of this coordinator is damaged: {why}",
        where=str(path),
        fix=f"choose another --state-dir, or move {path.name}* away: runs are then forgotten, not their checkpoints",
    )


def _too_new(path: Path, why: str) -> Fault:
    return Refused(
        f"the journal of this coordinator was written by a later version of wafer_sim: {why}",
        where=str(path),
        fix="serve with that version, or choose another --state-dir",
    )


def _unwritable(path: Path, why: str) -> Fault:
    return Exhausted(
        f"the journal of this coordinator cannot be written: {why}",
        where=str(path),
        fix="make room there and try again, or choose another --state-dir",
    )
