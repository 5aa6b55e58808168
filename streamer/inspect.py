"""What is in a dataset, and how fast it can be read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamer.advice.review import review, watching
from streamer.advice.wording import lines_of
from streamer.columns import size_of
from streamer.input_function import InputFunction
from streamer.order import Permutation
from streamer.pipeline import Input, recipe_input
from streamer.recipe import Recipe
from streamer.sources import IndexedSource, SequentialSource
from streamer.sources.class_folders import is_picture
from streamer.sources.record_files import is_record_file
from streamer.stages.reading import RowReader
from streamer.user_code import load_function
from streamer.user_loader import read_params, user_input
from wire.elements import Batch, Field, rows_of
from wire.errors import InvalidInput, NotFound

_BATCH = 256
_SAMPLE_ROWS = 1024
_SECONDS = 1.0
_FUNCTIONS = {"train_input": "get_train_dataloader", "eval_input": "get_eval_dataloader"}


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast something was read: samples and bytes a second, over `seconds`."""

    samples: float
    size: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.samples:,.0f} samples/s, {self.size / 1e6:,.1f} MB/s"


def inspect_source(source: str, params: Path | None, kind: str | None, section: str) -> None:
    """Print a table about a source. Raises Fault for one that cannot be read."""
    from rich.console import Console
    from rich.table import Table

    opened = open_source(source, params, kind, section)
    table = Table(title=opened.describe(), title_justify="left", show_header=False)
    for name, value in facts(opened, _SECONDS):
        table.add_row(name, value)
    Console().print(table)
    for line in advice(source, params, opened, section):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def open_source(source: str, params: Path | None, kind: str | None, section: str) -> Input:
    """What a path, URI or reference to a loader names. Raises Fault."""
    given = read_params(params)
    if _is_code(source):
        return user_input(source, _FUNCTIONS.get(section, "get_train_dataloader"), given)
    wanted = given.get(section) or {}
    recipe = {"batch_size": _BATCH, **wanted, "data_dir": source}
    recipe["format"] = kind or wanted.get("format") or _guess(source)
    return recipe_input(Recipe.from_params(recipe, section))


def advice(source: str, params: Path | None, opened: Input, section: str) -> Iterator[str]:
    """What would make the reading of a user's own dataset or recipe quicker, as lines. Raises Fault."""
    if not _is_code(source):
        return
    make = InputFunction(load_function(source, _FUNCTIONS.get(section, "get_train_dataloader")), read_params(params))
    with watching() as watched:
        loader = make().loader
    found = review(loader, watched, opened, section)
    yield from lines_of(found) if found is not None else ()


def facts(opened: Input, seconds: float) -> Iterator[tuple[str, str]]:
    """What there is to say of an input, as names and values; reading rates are measured over `seconds` each."""
    source = opened.source
    for field in opened.spec.fields:
        yield f"field {field.name}", _field(field)
    if isinstance(source, IndexedSource):
        yield from _indexed_facts(opened, source, seconds)
    else:
        yield "read", f"walked from its start, because {getattr(source, 'why', 'it is sequential')}"
        yield "rate, as it comes", str(_rate(_endless(source), seconds))


def _indexed_facts(opened: Input, source: IndexedSource, seconds: float) -> Iterator[tuple[str, str]]:
    rows, reader = len(source), opened.reader(source, 0)
    sample = np.arange(min(rows, _SAMPLE_ROWS), dtype=np.int64)
    size = _bytes(reader.read(0, 0, sample).batch) / len(sample)
    yield "read", "by row, in any order"
    yield "rows", f"{rows:,}"
    yield "bytes", f"{size:,.0f} a sample, {size * rows / 1e6:,.1f} MB in all"
    yield "blocks", f"{len(source.blocks)} of {min(source.blocks):,} to {max(source.blocks):,} rows"
    yield "rate, in order", str(_rate(_gathers(reader, rows, shuffled=False), seconds))
    yield "rate, at random", str(_rate(_gathers(reader, rows, shuffled=True), seconds))


def _field(field: Field) -> str:
    shape = "x".join(map(str, field.shape)) or "scalar"
    landing = field.landing
    lands = f", lands as {landing.dtype}: x * {landing.scale:g} + {landing.offset:g}" if landing else ""
    return f"{field.dtype} {'list of ' if field.ragged else ''}{shape}{lands}"


def _rate(batches: Iterable[Batch], seconds: float) -> Rate:
    samples = size = 0
    start = time.perf_counter()
    for batch in batches:
        samples += rows_of(batch)
        size += _bytes(batch)
        if (spent := time.perf_counter() - start) >= seconds:
            return Rate(samples / spent, size / spent, spent)
    raise InvalidInput("there is nothing to read")


def _gathers(reader: RowReader, rows: int, *, shuffled: bool) -> Iterator[Batch]:
    """Batches for ever. In order they are copied too, so that both rates count the reading of every byte."""
    epoch = 0
    while True:
        order = np.arange(rows, dtype=np.int64)
        order = Permutation(0, epoch, rows).take(order) if shuffled else order
        for start in range(0, rows, _BATCH):
            wanted = order[start : start + _BATCH]
            batch = reader.read(epoch, start, wanted).batch
            yield {
                name: column if shuffled or not isinstance(column, np.ndarray) else column.copy()
                for name, column in batch.items()
            }
        epoch += 1


def _endless(source: SequentialSource) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from source.batches(epoch)
        epoch += 1


def _bytes(batch: Batch) -> int:
    return sum(map(size_of, batch.values()))


def _is_code(source: str) -> bool:
    place, colon, name = source.rpartition(":")
    return source.endswith(".py") or bool(colon and name.isidentifier() and "/" not in name and "*" not in place)


def _guess(source: str) -> str:
    """The format that a path's name, or the files in a folder, tell. Raises NotFound, InvalidInput."""
    endings = {".parquet": "parquet", ".npz": "npz", ".npy": "npz", "ubyte": "idx", "ubyte.gz": "idx"}
    for ending, kind in endings.items():
        if source.endswith(ending):
            return kind
    if is_record_file(source):
        return "tfrecord"
    folder = Path(source).expanduser()
    if "://" not in source and "*" not in source and not folder.exists():
        raise NotFound(f"there is no {folder.resolve()}")
    for ending, kind in endings.items():
        if folder.is_dir() and next(folder.rglob(f"*{ending}"), None):
            return kind
    if folder.is_dir() and any(is_record_file(path.name) for path in folder.rglob("*")):
        return "tfrecord"
    if folder.is_dir() and any(is_picture(path.name) for path in folder.rglob("*")):
        return "images"
    raise InvalidInput(f"{source} does not tell its format", fix="give --format parquet, idx, npz, tfrecord or images")
