"""Seeding: what user code draws at random, and seeds nowhere, is the same in every process and after every restart."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DATA = """
import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

MODULE = random.sample(range(100), 5) + torch.randperm(50)[:5].tolist()


def shuffled(rows):
    rows = list(rows)
    random.shuffle(rows)
    rows = np.random.permutation(rows)
    return torch.from_numpy(rows)[torch.randperm(len(rows))].tolist()


class Built(Dataset):
    def __init__(self):
        self.order = shuffled(range(24))

    def __len__(self):
        return 24

    def __getitem__(self, row):
        return self.order[row] + 100 * MODULE[row % 10], random.random(), np.random.rand(), torch.rand(1)


class Iterated(IterableDataset):
    def __init__(self):
        self.order = shuffled(range(24))
        self.mine = np.random.default_rng()

    def __iter__(self):
        for row in shuffled(self.order):
            yield row, random.random(), np.random.rand(), torch.rand(1), self.mine.random()


class Plain:
    def __iter__(self):
        rows = shuffled(range(24))
        return iter([np.array(rows[start : start + 4]) for start in range(0, 24, 4)])


LOADERS = {
    "built": lambda: DataLoader(Built(), 4),
    "iterated": lambda: DataLoader(Iterated(), 4),
    "workers": lambda: DataLoader(Iterated(), 4, num_workers=2, drop_last=True),
    "plain": Plain,
    "sampler": lambda: DataLoader(Built(), 4, sampler=RandomSampler(range(24), replacement=True)),
    "generator": lambda: DataLoader(
        Built(), 4, sampler=RandomSampler(range(24), generator=torch.Generator()), generator=torch.Generator()
    ),
}


def get_train_dataloader(params):
    return LOADERS[params["loader"]]()
"""

HOST = """
import json
import multiprocessing
import random
import sys

import torch

from streamer.pipeline import StreamSettings
from streamer.user_loader import user_input
from wire.cursor import Cursor


def main(path, life):
    told = {}
    if life == "second":
        torch.rand(7), random.random()
    names = ["built", "iterated", "workers", "plain", "sampler", "generator"]
    for name in names if life == "first" else names[::-1]:
        few = name == "workers"  # it takes seconds to start them
        settings = StreamSettings(4, 1, 1 if few else 2, True, 1 if few else 2, 7, shuffle=True)
        opened = user_input(path, "get_train_dataloader", {"loader": name}, None, settings.seed)
        starts = [Cursor(0), Cursor(1)] if life == "first" else [Cursor(1, 1, 1), Cursor(0, 0, 2)]
        starts = [start for start in starts if start.stream < settings.streams]
        pipelines = [opened.open(settings, start) for start in starts]
        frames, going = {}, list(pipelines)
        while going:
            for pipeline in list(going):
                frame = pipeline.get(60)
                if frame.end:
                    going.remove(pipeline)
                else:
                    frames[str(frame.cursor)] = [frame.digests[0], str({n: c.tolist() for n, c in frame.batch.items()})]
        for pipeline in pipelines:
            pipeline.close()
        told[name] = frames
    print(json.dumps(told))


if __name__ == "__main__":
    multiprocessing.set_forkserver_preload(["torch"])  # or each loader process imports it anew
    main(*sys.argv[1:])
"""


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    """What two processes told: the second one resumed both streams, in another order, with generators moved on."""
    folder = tmp_path_factory.mktemp("seeding")
    (folder / "seeding_data.py").write_text(DATA)
    (folder / "host.py").write_text(HOST)
    told = []
    for life in ("first", "second"):
        done = subprocess.run(
            [sys.executable, str(folder / "host.py"), str(folder / "seeding_data.py"), life],
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    return told


@pytest.mark.parametrize("name", ["built", "iterated", "workers", "plain", "sampler", "generator"])
def test_an_unseeded_loader_is_the_same_in_a_fresh_process(lives, name):
    """Shuffles of random, numpy and torch: on import, in constructors, in __iter__ and in loader processes."""
    first, second = (life[name] for life in lives)
    assert len(second) >= 4
    assert {cursor: first[cursor] for cursor in second} == second


@pytest.mark.parametrize("name", ["built", "iterated", "plain", "sampler", "generator"])
def test_epochs_are_shuffled_anew(lives, name):
    """The seed is of the epoch, too: no two epochs have the same batches."""
    first = lives[0][name]
    epochs = [{told[0] for cursor, told in first.items() if f"epoch {epoch} " in cursor} for epoch in (0, 1)]
    assert epochs[0] and epochs[1] and epochs[0].isdisjoint(epochs[1])
