"""`streamer index`: an index beside each file whose records can only be found by walking over it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamer.sources.record_index import build_index
from streamer.sources.tfrecord import record_files


@dataclass(frozen=True, slots=True)
class Indexed:
    """A file that has an index now. size: its bytes. seconds: what it took."""

    path: Path
    records: int
    size: int
    seconds: float


def build_indexes(data_dir: str, data_root: Path | None = None) -> Iterator[Indexed]:
    """Index file after file, whatever index it had. Raises what `record_files` and `build_index` raise."""
    for path in record_files(data_dir, data_root):
        start = time.perf_counter()
        records = build_index(path, data_root)
        yield Indexed(path, len(records), records.stamp.size, time.perf_counter() - start)


def index_source(data_dir: str, data_root: Path | None = None) -> None:
    """Index the files of a data_dir and print a table about them; also about those before one that raises."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("file", *(Column(name, justify="right") for name in ("records", "bytes", "seconds")))
    try:
        for done in build_indexes(data_dir, data_root):
            table.add_row(str(done.path), f"{done.records:,}", f"{done.size:,}", f"{done.seconds:.2f}")
    finally:
        if table.row_count:
            Console().print(table)
