"""Parquet files, through pyarrow.dataset and any fsspec file system."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from streamer.columns import Table, check_rows, freeze, join, size_of, take
from streamer.order import Rows
from streamer.sources import Out, locate_block
from streamer.sources.arrow_columns import column_of, field_of
from streamer.sources.files import find
from wire.elements import Column, ElementSpec, Field
from wire.errors import InvalidInput

MEMORY_BUDGET = 1 << 30
_UNREADABLE = (pa.ArrowException, OSError)


@dataclass(frozen=True, slots=True)
class _RowGroup:
    fragment: ds.ParquetFileFragment
    path: str
    number: int
    rows: int
    size: int

    def __str__(self) -> str:
        return f"{self.path} row group {self.number}"


class ParquetSource:
    """The rows of Parquet files, file after file in the order of their names.

    columns: which, in this order; None takes all. Decoded data is kept in memory if all of it fits into
    `memory_budget` bytes; otherwise the row groups used last are kept, as many as fit.
    Raises NotFound, InvalidInput naming file and row group, Refused outside `data_root`.
    """

    random = False

    def __init__(
        self,
        data_dir: str,
        columns: Sequence[str] | None = None,
        data_root: Path | None = None,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        system, paths = find(data_dir, ".parquet", data_root)
        self._groups = [group for path in paths for group in _row_groups(system, path)]
        self._files = len(paths)
        self.spec = _spec(self._groups, paths[0], columns)
        self.blocks = tuple(group.rows for group in self._groups)
        self._starts = np.cumsum([0, *self.blocks], dtype=np.int64)
        self._fits = self._decoded_size() <= memory_budget
        self._budget = memory_budget
        self._kept: OrderedDict[int, dict[str, Column]] = OrderedDict()
        self._broken: dict[int, InvalidInput] = {}
        self._table: Table | None = None
        self._lock = threading.Lock()

    @property
    def kept(self) -> float:
        """Which part of the decoded data is kept in memory: 1.0 for all of it."""
        return 1.0 if self._fits else self._budget / self._decoded_size()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Rows (n,) int64 of every column. Raises InvalidInput for a damaged row group, IndexError for no such row.

        Data that fits into memory is read as a whole at first, and raises for any damaged row group then.
        """
        return self.gather_into(rows, {})

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays, where all data is in memory."""
        whole = self._fits and not self._broken  # with a broken group, the others are still to be had
        return self._whole().gather(rows, out) if whole else self._from_groups(rows)

    def describe(self) -> str:
        kept = "in memory" if self._fits else "row groups read as they are needed"
        return f"Parquet, {self._files} files, {len(self._groups)} row groups, {len(self):,} rows, {kept}"

    def where(self, row: int) -> str:
        number, inside = locate_block(self.blocks, row)
        return f"{self._groups[number]} row {inside}"

    def _decoded_size(self) -> int:
        fixed = all(not field.ragged and field.dtype != "string" for field in self.spec.fields)
        if not fixed:
            return sum(group.size for group in self._groups)
        return len(self) * sum(np.dtype(field.dtype).itemsize * field.size for field in self.spec.fields)

    def _whole(self) -> Table:
        with self._lock:
            if self._table is None:
                self._table = self._load()
            return self._table

    def _load(self) -> Table:
        """Everything. Numbers are copied group by group into place, so that memory never holds them twice."""
        columns: dict[str, Column] = {
            field.name: np.empty((len(self), *field.shape), field.dtype)
            for field in self.spec.fields
            if not field.ragged and field.dtype != "string"
        }
        rest: dict[str, list[Column]] = {name: [] for name in self.spec.names if name not in columns}
        for number, (start, stop) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            for name, column in self._read(number).items():
                if isinstance(whole := columns.get(name), np.ndarray) and isinstance(column, np.ndarray):
                    whole[start:stop] = column
                else:
                    rest[name].append(column)
        columns |= {name: join(parts) for name, parts in rest.items()}
        for column in columns.values():
            if isinstance(column, np.ndarray):
                freeze(column)
        return Table({name: columns[name] for name in self.spec.names})

    def _read(self, number: int) -> dict[str, Column]:
        """A row group from its file; one that is broken is tried once."""
        if (broken := self._broken.get(number)) is not None:
            raise InvalidInput(broken.what, where=broken.where, fix=broken.fix)
        try:
            return self._decoded(self._groups[number])
        except InvalidInput as error:
            self._broken[number] = InvalidInput(error.what, where=error.where, fix=error.fix)
            raise

    def _decoded(self, group: _RowGroup) -> dict[str, Column]:
        try:
            table = group.fragment.to_table(columns=list(self.spec.names), use_threads=False)
        except _UNREADABLE as error:
            raise InvalidInput(
                f"this Parquet file is damaged: {error}", where=str(group), fix="fetch or write the file again"
            ) from error
        return {field.name: column_of(table.column(field.name), field, str(group)) for field in self.spec.fields}

    def _from_groups(self, rows: Rows) -> dict[str, Column]:
        check_rows(rows, len(self))
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        numbers = np.unique(owners)
        by_group = np.argsort(owners, kind="stable")
        back = np.empty_like(by_group)
        back[by_group] = np.arange(len(rows))
        parts = [Table(self._group(int(n))).gather(rows[owners == n] - self._starts[n]) for n in numbers]
        joined = {name: join([part[name] for part in parts]) for name in self.spec.names} if parts else self._empty()
        return {name: take(column, back) for name, column in joined.items()}

    def _empty(self) -> dict[str, Column]:
        return {name: take(column, np.empty(0, np.int64)) for name, column in self._group(0).items()}

    def _group(self, number: int) -> dict[str, Column]:
        """A decoded row group, from those kept or from its file."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
            else:
                self._kept[number] = self._read(number)
                while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self._budget:
                    self._kept.popitem(last=False)
            return self._kept[number]


def _size(columns: dict[str, Column]) -> int:
    return sum(map(size_of, columns.values()))


def _format() -> ds.ParquetFileFormat:
    """Parquet whose pages are checked against their checksums, where the writer stored any."""
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)


def _row_groups(system: object, path: str) -> list[_RowGroup]:
    try:
        data = ds.dataset(path, format=_format(), filesystem=system)
        groups = [part for fragment in data.get_fragments() for part in fragment.split_by_row_group()]
        found = [(part, part.row_groups[0]) for part in groups]
        return [_RowGroup(part, path, info.id, info.num_rows, info.total_byte_size) for part, info in found]
    except _UNREADABLE as error:
        raise InvalidInput(
            f"this is no Parquet file, or its footer is damaged: {error}", where=path, fix="fetch or write it again"
        ) from error


def _spec(groups: list[_RowGroup], first: str, columns: Sequence[str] | None) -> ElementSpec:
    if not groups:
        raise InvalidInput("these Parquet files have no rows", where=first)
    spec = _fields(groups[0], columns)
    for path, group in {group.path: group for group in groups}.items():
        if (other := _fields(group, columns)) != spec:
            raise InvalidInput(f"this file holds ({other}), the first one ({spec})", where=path)
    return spec


def _fields(group: _RowGroup, columns: Sequence[str] | None) -> ElementSpec:
    schema = group.fragment.physical_schema
    for name in columns or ():
        if name not in schema.names:
            raise InvalidInput(
                f"there is no column {name!r}", where=group.path, fix=f"the columns are {', '.join(schema.names)}"
            )
    names = list(columns) if columns else schema.names
    fields: list[Field] = [field_of(name, schema.field(name).type, group.path) for name in names]
    return ElementSpec(tuple(fields))
