"""A user's loader: which ones are read by row, which are walked and why, and how their errors are told."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from streamer.sources import LoaderTraits
from streamer.sources.torch_loader import DatasetRows, TensorRows, open_loader
from streamer.sources.walked import WalkedLoader
from wire.errors import InvalidInput

TENSORS = TensorDataset(torch.arange(40, dtype=torch.float32).reshape(20, 2), torch.arange(20))


class _Rows(Dataset):
    """Rows as nested dicts; some things go wrong on demand."""

    def __init__(self, bad=None):
        self.bad = bad

    def __len__(self):
        return 20

    def __getitem__(self, row):
        if row == self.bad:
            raise KeyError("no such picture")
        return {"x": {"ids": torch.full((3,), row), "w": float(row)}, "name": f"row {row}"}


class _Stream(IterableDataset):
    def __iter__(self):
        return iter(range(10))


class _Batches:
    """A plain iterable of batches: unseeded random numbers, as users draw them."""

    def __iter__(self):
        for _ in range(6):
            yield torch.rand(4), np.random.rand(4), np.full(4, random.random())


def test_tensor_dataset_is_read_in_whole_batches():
    """A TensorDataset shares the tensors' memory and never handles single samples."""
    source = open_loader(DataLoader(TENSORS, 4, shuffle=True, drop_last=True))
    assert isinstance(source, TensorRows) and not source.random
    assert source.traits == LoaderTraits(4, shuffle=True, drop_last=True)
    assert np.shares_memory(source.gather(np.arange(3, 6))["0"], TENSORS.tensors[0].numpy())
    assert TENSORS.tensors[0].numpy().flags.writeable


def test_dataset_is_read_by_row():
    """A map-style dataset gives what its loader's own batches have, under names by path."""
    loader = DataLoader(_Rows(), 5)
    source = open_loader(loader)
    assert isinstance(source, DatasetRows)
    batch, own = source.gather(np.arange(5, 10)), list(loader)[1]
    assert list(batch) == ["x.ids", "x.w", "name"]
    assert np.array_equal(batch["x.ids"], own["x"]["ids"].numpy())
    assert batch["name"].tolist() == own["name"]


def test_own_batch_sampler_of_torch_is_recognised():
    """A BatchSampler over torch's own samplers counts as standard, and its batch size as the loader's."""
    sampler = BatchSampler(RandomSampler(TENSORS), 3, True)
    source = open_loader(DataLoader(TENSORS, batch_sampler=sampler))
    assert source.traits == LoaderTraits(3, shuffle=True, drop_last=True)


@pytest.mark.parametrize(
    ("loader", "why"),
    [
        (lambda: DataLoader(_Stream(), 5), "_Stream is an IterableDataset"),
        (lambda: DataLoader(TENSORS, 5, sampler=WeightedRandomSampler([1.0] * 20, 20)), "sampler is a WeightedRandom"),
        (lambda: DataLoader(TENSORS, 5, sampler=RandomSampler(TENSORS, replacement=True)), "with replacement"),
        (lambda: DataLoader(TENSORS, 5, sampler=RandomSampler(TENSORS, num_samples=10)), "only a part"),
        (lambda: DataLoader(TENSORS, 5, sampler=RandomSampler(Subset(TENSORS, range(9)))), "another dataset"),
        (lambda: DataLoader(TENSORS, batch_sampler=[[1, 2], [3, 4]]), "batch_sampler is a list"),
        (lambda: DataLoader(TENSORS, 5, worker_init_fn=print), "worker_init_fn"),
        (lambda: [(torch.zeros(2), torch.zeros(2))], "a list is no torch DataLoader"),
    ],
)
def test_others_are_walked_and_say_why(loader, why):
    """Whatever could differ from reading by row is walked, and says in a sentence why."""
    source = open_loader(loader())
    assert isinstance(source, WalkedLoader)
    assert why in source.describe()


def test_walked_epochs_repeat_exactly():
    """Unseeded random numbers are the same for the same seed and epoch, others otherwise, and leave no trace."""
    source = open_loader(_Batches())

    def walk(epoch, seed):
        return [np.concatenate([*batch.values()]).tolist() for batch in source.batches(epoch, seed)]

    before = (random.getstate(), torch.get_rng_state().tolist())
    first = walk(0, 7)
    assert first == walk(0, 7)
    assert first != walk(1, 7) and first != walk(0, 8)
    assert (random.getstate(), torch.get_rng_state().tolist()) == before


def test_two_walks_at_once_do_not_disturb_each_other():
    """Two streams that walk the same loader in one process each get what they would get alone."""
    source = open_loader(DataLoader(TENSORS, 5, sampler=RandomSampler(TENSORS, replacement=True)))
    alone = [batch["1"].tolist() for batch in source.batches(3, 1)]
    pairs = list(zip(source.batches(3, 1), source.batches(4, 1), strict=True))
    assert [one["1"].tolist() for one, _ in pairs] == alone


def test_a_samplers_own_generator_is_seeded():
    """A generator that a sampler keeps for itself starts each epoch from (seed, epoch)."""
    sampler = RandomSampler(TENSORS, replacement=True, generator=torch.Generator())
    source = open_loader(DataLoader(TENSORS, 5, sampler=sampler))
    walks = [[batch["1"].tolist() for batch in source.batches(2, 1)] for _ in range(2)]
    assert walks[0] == walks[1]


def test_loader_with_processes():
    """A walked loader's worker processes are not forked, and it can be walked twice at once."""
    loader = DataLoader(TENSORS, batch_sampler=[[1, 2], [3, 4]], num_workers=1, persistent_workers=True)
    source = open_loader(loader)
    pairs = list(zip(source.batches(0), source.batches(0), strict=True))
    assert [(a["1"].tolist(), b["1"].tolist()) for a, b in pairs] == [([1, 2], [1, 2]), ([3, 4], [3, 4])]
    assert loader.multiprocessing_context is None


def test_shape_change_is_named():
    """A batch of another shape is refused with field, old and new shape, and its number."""
    source = open_loader([(torch.zeros(2, 3),), (torch.zeros(2, 3),), (torch.zeros(2, 4),)])
    with pytest.raises(InvalidInput, match=r"'0' changes .* float32\(3,\), now it is float32\(4,\)") as caught:
        list(source.batches(0))
    assert "batch 2 of epoch 0" in caught.value.where


def test_errors_name_the_users_line():
    """An exception in a dataset or a loader becomes an error with its type, message and the user's line."""
    rows = open_loader(DataLoader(_Rows(bad=7), 5))
    with pytest.raises(InvalidInput, match="KeyError: 'no such picture'") as caught:
        rows.gather(np.array([3, 7]))
    assert "test_torch_loader.py:" in caught.value.where and "__getitem__" in caught.value.where
    assert "row 7 of _Rows" in caught.value.fix
    with pytest.raises(InvalidInput, match="KeyError") as caught:
        open_loader(DataLoader(_Rows(bad=0), batch_sampler=[[0]]))
    assert "test_torch_loader.py:" in caught.value.where


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (7, "returned a int"),
        (iter([1]), "walked only once"),
        ([], "yields no batch"),
        ([torch.zeros(2, dtype=torch.bfloat16)], "'0' has dtype bfloat16"),
        ([torch.tensor(3.0)], "no batch dimension"),
        ([{"x": {1, 2}}], "'x' has dtype object"),
        ([torch.zeros(2, 2).to_sparse()], "sparse"),
    ],
)
def test_what_is_no_loader(loader, message):
    """What cannot be a loader, or yields what cannot travel, is refused at once."""
    with pytest.raises(InvalidInput, match=message):
        open_loader(loader)


def test_random_augmentation_follows_the_seed():
    """A dataset that draws random numbers is marked, so that the reader seeds it."""
    assert open_loader(DataLoader(_Rows(), 5)).random
