"""Opening what a recipe names: the file reader, then its columns as the recipe wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer import recipe_column
from streamer.order import Rows
from streamer.recipe import Recipe
from streamer.sources import GathersInto, IndexedSource, Out
from streamer.sources.packed import Packed
from streamer.sources.synthetic import SyntheticSource
from streamer.stages import RowMap
from streamer.stages.pad import Padded
from streamer.stages.pictures import Pictures
from wire.elements import STRING, Batch, Column, ElementSpec, Field, Landing, Ragged
from wire.errors import Fault, InvalidInput, nearest

_FAKE_ROWS = 10_000


def open_recipe(recipe: Recipe, data_root: Path | None = None) -> IndexedSource:
    """The source of a recipe. Raises NotFound, InvalidInput; Refused for anything outside `data_root`."""
    return _synthetic(recipe, data_root) if recipe.is_synthetic else _real(recipe, data_root)


def maps_of(recipe: Recipe) -> tuple[RowMap, ...]:
    """What is made of the rows that its source gives. Raises NotFound where a library for it is not installed."""
    return () if recipe.is_synthetic else tuple(_maps(recipe))


def mapped(spec: ElementSpec, maps: Sequence[RowMap]) -> ElementSpec:
    """The spec of what these maps, one after the other, make of rows of this spec. Raises InvalidInput."""
    for each in maps:
        spec = each.spec(spec)
    return spec


class Chosen:
    """Some columns of a source in another order, shape or dtype.

    Raises InvalidInput for a value that the dtype cannot hold.
    """

    def __init__(self, source: IndexedSource, spec: ElementSpec) -> None:
        self._source = source
        self.spec = spec
        self.blocks = source.blocks
        self.random = source.random

    def __len__(self) -> int:
        return len(self._source)

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Rows (n,) int64 of the chosen columns."""
        return self._chosen(rows, self._source.gather(rows))

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`; what only changes its shape is written to these arrays, where the source can do that."""
        if not isinstance(self._source, GathersInto):
            return self.gather(rows)
        return self._chosen(rows, self._source.gather_into(rows, out))

    def _chosen(self, rows: Rows, batch: Batch) -> dict[str, Column]:
        try:
            return {field.name: _shaped(batch[field.name], field) for field in self.spec.fields}
        except Fault as fault:
            fault.where = f"one of rows {rows[:8].tolist()}: {self.where(int(rows[0]))}"
            raise

    def describe(self) -> str:
        return self._source.describe()

    def where(self, row: int) -> str:
        return self._source.where(row)


def _real(recipe: Recipe, data_root: Path | None) -> IndexedSource:
    source = _open_files(recipe, data_root)
    if not len(source):
        raise InvalidInput("this data has no rows", where=recipe.data_dir)
    spec = _wanted(source.spec, recipe)
    chosen = source if spec == source.spec else Chosen(source, spec)
    pack = next((column.pack for column in recipe.columns.values() if column.pack), None)
    return Packed(chosen, pack) if pack else chosen


def _maps(recipe: Recipe) -> Iterator[RowMap]:
    for name, column in recipe.columns.items():
        if column.jpeg:
            yield Pictures(name, column.jpeg)
        if column.pad:
            yield Padded(name, column.pad)


def _open_files(recipe: Recipe, data_root: Path | None) -> IndexedSource:
    if recipe.format == "parquet":
        from streamer.sources.parquet import ParquetSource

        return ParquetSource(recipe.data_dir, list(recipe.columns) or None, data_root)
    if recipe.format == "idx":
        from streamer.sources.idx import IdxSource

        return IdxSource(recipe.data_dir, recipe.split, data_root)
    if recipe.format == "tfrecord":
        from streamer.sources.tfrecord import TfrecordSource

        return TfrecordSource(recipe.data_dir, recipe.columns, data_root)
    if recipe.format == "images":
        from streamer.sources.class_folders import ClassFolders

        return ClassFolders(recipe.data_dir, data_root)
    from streamer.sources.npz import NpzSource

    return NpzSource(recipe.data_dir, data_root)


def _synthetic(recipe: Recipe, data_root: Path | None) -> IndexedSource:
    """Made-up rows: of the columns if the recipe says all of them, else of the spec that its files have."""
    complete = recipe.columns and all(column.dtype and column.shape is not None for column in recipe.columns.values())
    if complete:
        bare = [Field(name, column.dtype or "", column.shape or ()) for name, column in recipe.columns.items()]
        return SyntheticSource(
            _wanted(ElementSpec(tuple(bare)), recipe), recipe.rows or _FAKE_ROWS, recipe.shuffle_seed or 0
        )
    real = _real(recipe, data_root)
    spec = mapped(real.spec, list(_maps(recipe)))
    return SyntheticSource(spec, recipe.rows or len(real), recipe.shuffle_seed or 0)


def _wanted(spec: ElementSpec, recipe: Recipe) -> ElementSpec:
    """The spec that the recipe makes of a source's own. Raises InvalidInput, naming the column."""
    fields = {field.name: field for field in spec.fields}
    for name in recipe.columns:
        if name not in fields:
            raise InvalidInput(f"there is no column {name!r}", where=recipe.data_dir, fix=nearest(name, list(fields)))
    chosen = recipe.columns or dict.fromkeys(fields, recipe_column.Column())
    return ElementSpec(tuple(_field(fields[name], column, recipe.to_float16) for name, column in chosen.items()))


def _field(field: Field, column: recipe_column.Column, to_float16: bool) -> Field:
    dtype, shape = column.dtype or field.dtype, field.shape if column.shape is None else column.shape
    if int(np.prod(shape)) != field.size:
        raise InvalidInput(
            f"column {field.name!r} cannot have shape {list(shape)}: a sample has {field.size} numbers",
            where=f"columns.{field.name}.shape",
        )
    if STRING in (dtype, field.dtype) and dtype != field.dtype:
        raise InvalidInput(f"column {field.name!r} holds strings, not {dtype}", where=f"columns.{field.name}.dtype")
    landing = _landing(dtype, column, to_float16)
    if landing and dtype == STRING:
        raise InvalidInput(f"column {field.name!r} holds strings: they cannot land as numbers")
    return dataclasses.replace(field, dtype=dtype, shape=tuple(shape), landing=landing)


def _landing(dtype: str, column: recipe_column.Column, to_float16: bool) -> Landing | None:
    scaled = (column.scale, column.offset) != (1.0, 0.0)
    floats = dtype.startswith("float")
    if column.lands_as is None and not scaled and not (to_float16 and floats):
        return None
    lands_as = column.lands_as or ("float16" if to_float16 else "float32")
    if lands_as == dtype and not scaled:
        return None
    return Landing(lands_as, column.scale, column.offset)


def _shaped(column: Column, field: Field) -> Column:
    if isinstance(column, Ragged):
        return Ragged(_cast(column.values, field).reshape(-1, *field.shape), column.offsets)
    return _cast(column, field).reshape(len(column), *field.shape)


def _cast(values: npt.NDArray[Any], field: Field) -> npt.NDArray[Any]:
    if field.dtype == STRING or values.dtype == np.dtype(field.dtype):
        return values
    safe = field.dtype.startswith("float") or np.can_cast(values.dtype, field.dtype, "safe")
    with np.errstate(invalid="ignore", over="ignore"):
        cast: npt.NDArray[Any] = values.astype(field.dtype)
    if not safe and not np.array_equal(cast, values):
        raise InvalidInput(
            f"column {field.name!r} has a value that {field.dtype} cannot hold "
            f"({values.dtype.name} from {values.min()} to {values.max()})",
            fix=f"choose another dtype under columns.{field.name}, or leave it out",
        )
    return cast
