"""TFRecord files of tf.train.Example, read at any row, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from streamer.columns import check_rows
from streamer.order import Rows
from streamer.recipe_column import Column as Wanted
from streamer.sources import Out, locate_block
from streamer.sources.example_columns import ExampleDecoder
from streamer.sources.examples import infer, parse, spec_of
from streamer.sources.files import find_local
from streamer.sources.kept import KeptRows, size_in_memory
from streamer.sources.record_files import is_record_file
from streamer.sources.record_index import index_path, locate
from streamer.sources.record_reader import RecordReader
from wire.elements import Column
from wire.errors import Fault, InvalidInput
from wire.v1 import example_pb2

MEMORY_BUDGET = 1 << 30
_LOOKED_AT = 64


def record_files(data_dir: str, data_root: Path | None = None) -> list[Path]:
    """The TFRecord files of a file, folder or pattern, sorted; indexes beside them are none.

    Raises NotFound, InvalidInput for a URI of another machine, Refused outside `data_root`.
    """
    found = find_local(data_dir, is_record_file, ".tfrecord", data_root)
    indexes = {index_path(path) for path in found}
    return [path for path in found if path not in indexes]


class TfrecordSource:
    """The records of TFRecord files, file after file in the order of their names; each file is a block.

    columns: which features, in this order, and what those are that are bytes; none takes all. The fields are inferred
    from up to 64 records, spread evenly; a record that differs cannot be read. Records of fixed size are kept in memory
    once they are read, if all of them fit into `memory_budget` bytes. Raises NotFound, InvalidInput naming file and
    record, Refused outside `data_root`.
    """

    random = False

    def __init__(
        self,
        data_dir: str,
        columns: Mapping[str, Wanted] | None = None,
        data_root: Path | None = None,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        located = [locate(path, data_root) for path in record_files(data_dir, data_root)]
        self._files = [records for records, _ in located]
        self._unindexed = [f"{records.path} {why}" for records, why in located if why]
        self._reader = RecordReader(self._files)
        self.blocks: tuple[int, ...] = tuple(map(len, self._files))
        self._starts = np.cumsum([0, *self.blocks], dtype=np.int64)
        try:
            features = infer(self._samples(), columns or {})
        except Fault as fault:
            fault.where = fault.where or str(self._files[0].path)
            raise
        self.spec = spec_of(features)
        self._decoder = ExampleDecoder(features)
        size = size_in_memory(self.spec, len(self))
        fits = size is not None and size <= memory_budget
        self._kept = KeptRows(self.spec, len(self), self._read) if fits else None

    @property
    def unindexed(self) -> int:
        """How many of the files were walked over, as they have no index that is of use."""
        return len(self._unindexed)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Rows (n,) int64 of every column. Raises InvalidInput for a damaged record, IndexError for no such row."""
        return self.gather_into(rows, {})

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays, where the rows are kept in memory."""
        check_rows(rows, len(self))
        return self._kept.gather(rows, out) if self._kept else self._read(rows)

    def describe(self) -> str:
        read = "read by index" if not self._unindexed else self._advice()
        kept = ", kept in memory" if self._kept else ""
        return f"TFRecord, {len(self._files)} files, {len(self):,} records, {read}{kept}"

    def where(self, row: int) -> str:
        file, inside = locate_block(self.blocks, row)
        return f"{self._files[file].path} record {inside}"

    def _read(self, rows: Rows) -> dict[str, Column]:
        return self._decoder.decode(self._records(rows), lambda place: self.where(int(rows[place])))

    def _advice(self) -> str:
        more = f", and {len(self._unindexed) - 1:,} more files" if len(self._unindexed) > 1 else ""
        return f"walked over to find them: {self._unindexed[0]}{more}; run `streamer index` once"

    def _records(self, rows: Rows) -> list[bytes]:
        """The data of these rows, in this order; each file is asked once."""
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        files = np.unique(owners)
        if len(files) == 1:
            return self._reader.read(int(files[0]), rows - self._starts[files[0]])
        found: list[bytes] = [b""] * len(rows)
        for file in files.tolist():
            places = np.flatnonzero(owners == file)
            for place, record in zip(
                places.tolist(), self._reader.read(file, rows[places] - self._starts[file]), strict=True
            ):
                found[place] = record
        return found

    def _samples(self) -> list[example_pb2.Example]:
        """Records to learn the fields from. Bad ones are left to who reads them, unless all are."""
        rows = np.unique(np.linspace(0, len(self) - 1, _LOOKED_AT).astype(np.int64))
        found = list(self._readable(rows))
        samples = [sample for sample in found if not isinstance(sample, InvalidInput)]
        if not samples:
            raise next(fault for fault in found if isinstance(fault, InvalidInput))
        return samples

    def _readable(self, rows: Rows) -> Iterator[example_pb2.Example | InvalidInput]:
        for row in rows:
            try:
                yield parse(self._records(np.array([row]))[0])
            except InvalidInput as fault:
                fault.where = fault.where or self.where(int(row))
                yield fault
