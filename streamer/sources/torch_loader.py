"""A user's torch DataLoader: recognised and read by row where that is the same, walked otherwise."""

from __future__ import annotations

from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from streamer.columns import Table, check_batch, check_rows, freeze, spec_of
from streamer.order import Rows
from streamer.sources import IndexedSource, LoaderTraits, Out, SequentialSource
from streamer.sources.walked import WalkedLoader, check_iterable
from streamer.structure import as_array, flatten
from streamer.user_code import user_fault
from wire.elements import Column
from wire.errors import Fault, InvalidInput


def open_loader(loader: object) -> IndexedSource | SequentialSource:
    """The source that a user's loader is. `.traits` of what comes back says its batch size and order.

    A DataLoader over a map-style dataset with torch's own samplers is read by row: dataset[i], then its collate_fn;
    its sampler and worker processes are not used. Anything else iterable is walked. Raises InvalidInput.
    """
    if not isinstance(loader, DataLoader):
        check_iterable(loader)
        whole = bool(getattr(loader, "drop_last", False))
        return WalkedLoader(loader, f"a {type(loader).__name__} is no torch DataLoader", drop_last=whole)
    if why := _unlike(loader):
        return WalkedLoader(loader, why, drop_last=bool(loader.drop_last))
    if type(loader.dataset) is TensorDataset and loader.collate_fn is default_collate:
        return TensorRows(loader, loader.dataset)
    return DatasetRows(loader)


class TensorRows:
    """A TensorDataset with the default collate: whole batches are taken from its tensors, sample by sample never."""

    random = False

    def __init__(self, loader: DataLoader[Any], dataset: TensorDataset) -> None:
        arrays = {str(number): as_array(tensor, str(number)) for number, tensor in enumerate(dataset.tensors)}
        self._table = Table({name: freeze(_plain(array)) for name, array in arrays.items()})
        self.traits = _traits(loader)
        self.spec = spec_of(arrays, "a TensorDataset")
        self.blocks: tuple[int, ...] = (len(self),)

    def __len__(self) -> int:
        return len(self._table)

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Rows (n,) int64 of every tensor."""
        return self._table.gather(rows)

    def gather_into(self, rows: Rows, out: Out) -> dict[str, Column]:
        """As `gather`, to these arrays."""
        return self._table.gather(rows, out)

    def describe(self) -> str:
        return f"torch DataLoader over a TensorDataset, {len(self):,} rows, read by row in whole batches"

    def where(self, row: int) -> str:
        return f"TensorDataset row {row}"


class DatasetRows:
    """Any other map-style dataset: dataset[i] for each row, then the loader's collate_fn."""

    random = True

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._dataset: Any = loader.dataset
        self._collate = loader.collate_fn
        self._name = type(self._dataset).__name__
        self._rows = _length(self._dataset, self._name)
        self.traits = _traits(loader)
        self.blocks: tuple[int, ...] = (self._rows,)
        self.spec = spec_of(self._read([0]), f"row 0 of {self._name}")

    def __len__(self) -> int:
        return self._rows

    def gather(self, rows: Rows) -> dict[str, Column]:
        """Samples of these rows. Raises InvalidInput with the user's own line where their code raises."""
        check_rows(rows, self._rows)
        batch = self._read(rows.tolist())
        check_batch(batch, self.spec, f"rows {rows[:8].tolist()} of {self._name}")
        return batch

    def describe(self) -> str:
        return f"torch DataLoader over {self._name}, {self._rows:,} rows, read by row: dataset[i] and its collate_fn"

    def where(self, row: int) -> str:
        return f"{self._name} row {row}"

    def _read(self, rows: list[int]) -> dict[str, Column]:
        doing = f"rows {rows[:8]} of {self._name} were read"
        try:
            if hasattr(self._dataset, "__getitems__"):
                samples = self._dataset.__getitems__(rows)
            else:
                samples = []
                for row in rows:
                    doing = f"row {row} of {self._name} was read"
                    samples.append(self._dataset[row])
            doing = f"collate_fn joined the rows {rows[:8]} of {self._name}"
            return {**flatten(self._collate(samples))}
        except Fault:
            raise
        except Exception as error:
            raise user_fault(error, doing) from error


def _unlike(loader: DataLoader[Any]) -> str:
    """Why a DataLoader cannot be read by row, as the end of a sentence; "" where it can."""
    sampler = getattr(loader.batch_sampler, "sampler", None)
    differences = [
        (type(loader).__iter__ is not DataLoader.__iter__, f"{type(loader).__name__} has an __iter__ of its own"),
        (isinstance(loader.dataset, IterableDataset), f"{type(loader.dataset).__name__} is an IterableDataset"),
        (loader.worker_init_fn is not None, "it has a worker_init_fn"),
        (loader.batch_sampler is None, "its automatic batching is off"),
        (type(loader.batch_sampler) is not BatchSampler, f"its batch_sampler is a {_name(loader.batch_sampler)}"),
        (type(sampler) not in (SequentialSampler, RandomSampler), f"its sampler is a {_name(sampler)}"),
    ]
    why = next((reason for differs, reason in differences if differs), "")
    return why or _unlike_sampler(sampler, loader.dataset)


def _unlike_sampler(sampler: Any, dataset: Dataset[Any]) -> str:
    if sampler.data_source is not dataset:
        return "its sampler draws from another dataset"
    if isinstance(sampler, RandomSampler) and sampler.replacement:
        return "its sampler draws with replacement"
    if isinstance(sampler, RandomSampler) and sampler.num_samples != _length(dataset, _name(dataset)):
        return "its sampler draws only a part of the dataset"
    return ""


def _traits(loader: DataLoader[Any]) -> LoaderTraits:
    batches = loader.batch_sampler
    assert isinstance(batches, BatchSampler)  # noqa: S101 - recognised by `_unlike`; the loader's own fields may be None
    return LoaderTraits(batches.batch_size, isinstance(batches.sampler, RandomSampler), batches.drop_last)


def _length(dataset: Any, name: str) -> int:
    try:
        rows = len(dataset)
    except Exception as error:
        raise user_fault(error, f"len() of {name} was asked") from error
    if not rows:
        raise InvalidInput(f"{name} is empty", fix="check that its data is there")
    return rows


def _plain(array: Any) -> Any:
    """A view that can be made read-only without touching the user's tensor; a copy only of strided data."""
    return array[:] if array.flags.c_contiguous else array.copy()


def _name(thing: object) -> str:
    return type(thing).__name__
